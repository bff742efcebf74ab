/**
 * Where results go: `docs/benchmarks/NAME.json` with the conditions they were measured under, and pictures beside it.
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "..", "docs", "benchmarks");

/** Debian's packages that take part in what goes over a network. */
const PACKAGES = [
  "gcc libnetfilter-queue1 iptables nftables iproute2 iperf3 netpipe-tcp",
  "tftpd-hpa tftp-hpa nginx curl wget",
].flatMap((line) => line.split(" "));

/** The machine and programs of a run. */
export interface Conditions {
  readonly date: string;
  readonly cores: number;
  readonly processor: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** Versions of Debian's packages. */
  readonly packages: Readonly<Record<string, string>>;
  /** What others did: the machine's load average over the minute before the run. */
  readonly loadBefore: number;
}

const LOAD_BEFORE = loadavg()[0] ?? Number.NaN;

function conditions(packages: readonly string[]): Conditions {
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    packages: packageVersions(packages),
    loadBefore: LOAD_BEFORE,
  };
}

/** Empty where there is no dpkg. */
function packageVersions(packages: readonly string[]): Record<string, string> {
  const words = ["-W", "-f", `\${Package} \${Version} \${db:Status-Status}\\n`, ...packages];
  const { stdout } = spawnSync("dpkg-query", words, { encoding: "utf8" });
  const lines = (stdout ?? "").split("\n").map((line) => line.split(" "));
  return Object.fromEntries(
    lines.flatMap(([name = "", version = "", status]) => (status === "installed" ? [[name, version]] : [])),
  );
}

/** Where pictures are. */
export const PICTURES: string = FOLDER;

/** `1 core`, `2 cores`. */
export function coreWords(cores: number): string {
  return `${cores} ${cores === 1 ? "core" : "cores"}`;
}

/** Where the results of a benchmark are, or will be. */
export function dataFile(name: string): string {
  return join(FOLDER, `${name}.json`);
}

/** @param packages Debian's packages that took part. */
export async function writeData(
  name: string,
  data: object,
  packages: readonly string[] = PACKAGES,
): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const text = JSON.stringify({ conditions: conditions(packages), ...data }, roundedValue, 1);
  await writeFile(dataFile(name), `${text}\n`);
}

export async function writePicture(name: string, svg: string): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, `${name}.svg`), svg);
}

/** Five digits are more than any of these measurements has. */
function roundedValue(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
