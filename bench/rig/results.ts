/**
 * Where results go: `docs/benchmarks/NAME.json` with the conditions they were measured under, and pictures beside it.
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";

const FOLDER = join(import.meta.dirname, "..", "..", "docs", "benchmarks");

/** The machine and programs of a run. */
interface Conditions {
  readonly date: string;
  readonly cores: number;
  readonly processor: string;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly node: string;
  /** What others did: the machine's load average over the minute before the run. */
  readonly loadBefore: number;
}

const LOAD_BEFORE = loadavg()[0] ?? Number.NaN;

function conditions(): Conditions {
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cpus().length,
    processor: cpus()[0]?.model ?? "unknown",
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    loadBefore: LOAD_BEFORE,
  };
}

export async function writeData(name: string, data: object): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  const text = JSON.stringify({ conditions: conditions(), ...data }, roundedValue, 1);
  await writeFile(join(FOLDER, `${name}.json`), `${text}\n`);
}

export async function writePicture(name: string, svg: string): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  await writeFile(join(FOLDER, `${name}.svg`), svg);
}

/** Five digits are more than any of these measurements has. */
function roundedValue(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
