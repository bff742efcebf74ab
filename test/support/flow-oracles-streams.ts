/**
 * What other programs make of the TCP streams of captures, one line of text for each direction that has bytes, so that
 * lines can be compared: ends, and the pieces with their lengths and digests.
 *
 * - tshark's `follow` (asked through sharkd, one process for many captures) takes the first of two copies, and names a
 *   gap once it was acknowledged. It believes all checksums, ignores windows, and goes on after resets.
 * - tcpflow writes one file for each direction. A gap is zeros there; a byte that comes again replaces the one before.
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SummaryStream } from "./flow-summaries.ts";

/** Answers are kept by the capture's digest, and by this: to be counted up when what is asked changes. */
const ANSWER_VERSION = 3;
const CACHE = join(import.meta.dirname, "..", "..", ".cache", "flow-oracles");
/** One program, for one capture; milliseconds. */
const TIMEOUT = 60_000;

/** By stream direction: `10.0.0.1:80 > 10.0.0.2:1025`, then its pieces; sorted. */
export type StreamLines = readonly string[];

/** Whose answer. */
export type StreamOracle = "tshark" | "tcpflow";

/** One direction as text. */
export function streamLine(ends: string, { bytes, gaps }: SummaryStream): string {
  const pieces: string[] = [];
  let at = 0;
  let offset = 0;
  for (const gap of gaps) {
    const length = gap.offset - offset;
    if (length > 0) pieces.push(piece(bytes.subarray(at, at + length)));
    pieces.push(`gap ${gap.lengthBytes}`);
    at += length;
    offset = gap.offset + gap.lengthBytes;
  }
  if (at < bytes.length) pieces.push(piece(bytes.subarray(at)));
  return `${ends}: ${pieces.join(", ")}`;
}

function piece(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}`;
}

/** The bytes with zeros for gaps. */
export function fillGaps({ bytes, gaps }: SummaryStream): Uint8Array {
  const parts: Uint8Array[] = [];
  let at = 0;
  let offset = 0;
  for (const gap of gaps) {
    const length = Math.min(gap.offset - offset, bytes.length - at);
    parts.push(bytes.subarray(at, at + length), new Uint8Array(gap.lengthBytes));
    at += length;
    offset = gap.offset + gap.lengthBytes;
  }
  return Buffer.concat([...parts, bytes.subarray(at)]);
}

/** Why the comparison is skipped; `false` when both programs are there. */
export const streamOraclesSkipped: string | false =
  spawnSync("tcpflow", ["-V"]).error === undefined && spawnSync("sharkd", ["-v"]).error === undefined
    ? false
    : "tcpflow or sharkd is not there: apt-get install tcpflow wireshark-common";

/** Asks both programs about captures; what they said before is remembered. */
export class StreamOracles {
  readonly #budget: number;
  #sharkd: Sharkd | undefined;
  #loadCount = 0;
  #spent = 0;

  /** @param budget milliseconds for what is not remembered; METANET_ORACLES=all takes the time that it takes */
  constructor(budget: number) {
    this.#budget = process.env.METANET_ORACLES === "all" ? Number.POSITIVE_INFINITY : budget;
  }

  /** What one program says of one capture; `undefined` when the time for asking is used up. */
  async ask(oracle: StreamOracle, path: string): Promise<StreamLines | undefined> {
    const digest = createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 32);
    const cached = join(CACHE, `${digest}-${oracle}-${ANSWER_VERSION}.json`);
    try {
      return JSON.parse(readFileSync(cached, "utf8"));
    } catch {
      if (this.#spent > this.#budget) return undefined;
      const startedAt = performance.now();
      const answer = oracle === "tcpflow" ? askTcpflow(path) : await this.#askTshark(path);
      mkdirSync(CACHE, { recursive: true });
      // Another run may read it at the same time.
      const draft = `${cached}.${process.pid}`;
      writeFileSync(draft, JSON.stringify(answer));
      renameSync(draft, cached);
      this.#spent += performance.now() - startedAt;
      return answer;
    }
  }

  close(): void {
    this.#sharkd?.close();
  }

  async #askTshark(path: string): Promise<StreamLines> {
    // It becomes slower with each capture.
    if (this.#loadCount++ % 40 === 0) {
      this.#sharkd?.close();
      this.#sharkd = new Sharkd();
    }
    return this.#sharkd === undefined ? [] : followAll(this.#sharkd, path, this.#loadCount);
  }
}

/** Headers that TCP is found behind, in 4.0's names; all other dissectors are off, which takes a tenth of the time. */
const DISSECTORS = new Set(
  (
    "frame eth ethertype vlan ieee8021ah ip ipv6 tcp udp sll sll2 null raw ppp pppoe pppoes mpls gre vxlan geneve gtp " +
    "chdlc llc 6in4 ipip ipv6.fraghdr ipv6.hopopts ipv6.dstopts ipv6.routing wlan wlan_radio radiotap ppi pktap teredo"
  ).split(" "),
);

/** A configuration folder that switches the other dissectors off. */
function makeConfiguration(folder: string): void {
  const { stdout } = spawnSync("tshark", ["-G", "protocols"], { encoding: "utf8", maxBuffer: 1 << 24 });
  const names = stdout.split("\n").map((line) => line.split("\t")[2] ?? "");
  mkdirSync(join(folder, "wireshark"));
  const disabled = names.filter((name) => name !== "" && !DISSECTORS.has(name));
  writeFileSync(join(folder, "wireshark", "disabled_protos"), `${disabled.join("\n")}\n`);
}

/** sharkd on its standard input: JSON-RPC, one message a line. */
class Sharkd {
  readonly #folder = mkdtempSync(join(tmpdir(), "mn-sharkd-"));
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #id = 0;

  constructor() {
    makeConfiguration(this.#folder);
    const env = { ...process.env, XDG_CONFIG_HOME: this.#folder };
    this.#child = spawn("sharkd", ["-"], { env, stdio: ["pipe", "pipe", "ignore"] });
    this.#child.on("exit", () => this.#answer(Number.POSITIVE_INFINITY, undefined));
    if (this.#child.stdout === null) throw new Error("sharkd has no output");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const { id, result } = JSON.parse(line);
      this.#answer(id, result);
    });
  }

  /** `undefined` for an error, or when it has ended. */
  ask(method: string, params: object = {}): Promise<unknown> {
    this.#id++;
    const id = this.#id;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#child.kill("SIGKILL"), TIMEOUT);
      this.#waiting.set(id, (result) => {
        clearTimeout(timer);
        resolve(result);
      });
      this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
    });
  }

  close(): void {
    this.#child.kill();
    rmSync(this.#folder, { recursive: true });
  }

  /** A file that cannot be loaded is not answered at all: the next answer says so. */
  #answer(id: number, result: unknown): void {
    for (const [other, resolve] of this.#waiting) {
      if (other > id) continue;
      this.#waiting.delete(other);
      resolve(other === id ? result : undefined);
    }
  }
}

interface Followed {
  readonly shost: string;
  readonly sport: string;
  readonly chost: string;
  readonly cport: string;
  readonly payloads?: readonly { readonly d: string; readonly s?: number }[];
}

async function followAll(sharkd: Sharkd, path: string, count: number): Promise<StreamLines> {
  const loading = sharkd.ask("load", { file: path });
  await sharkd.ask("status");
  await loading;
  // Filters are remembered by their text beyond a capture: each gets its own.
  const filter = `tcp.len > 0 && frame.number < ${1e9 + count}`;
  const frames = (await sharkd.ask("frames", { filter, column0: "tcp.stream:0" })) as
    | { c: [string] }[]
    | undefined;
  const lines: string[] = [];
  for (const stream of new Set((frames ?? []).map(({ c }) => c[0]))) {
    if (!/^\d+$/.test(stream)) continue;
    const answer = await sharkd.ask("follow", { follow: "TCP", filter: `tcp.stream==${stream}` });
    if (answer === undefined) continue;
    lines.push(...followedLines(answer as Followed));
  }
  return lines.sort();
}

const GAP = /^\[(\d+) bytes missing in capture file\]\0?$/;

function followedLines({ shost, sport, chost, cport, payloads = [] }: Followed): string[] {
  const lines: string[] = [];
  for (const isServer of [false, true]) {
    const parts: Uint8Array[] = [];
    const gaps: { offset: number; lengthBytes: number }[] = [];
    let offset = 0;
    for (const { d, s } of payloads) {
      // What it calls the server is who did not send first; `s` marks what that has sent.
      if ((s === 1) !== isServer) continue;
      const bytes = Buffer.from(d, "base64");
      const gap = bytes.length < 64 ? GAP.exec(bytes.toString("latin1")) : null;
      const lengthBytes = gap === null ? bytes.length : Number(gap[1]);
      if (gap === null) parts.push(bytes);
      else gaps.push({ offset, lengthBytes });
      offset += lengthBytes;
    }
    const ends = isServer ? `${shost}:${sport} > ${chost}:${cport}` : `${chost}:${cport} > ${shost}:${sport}`;
    if (parts.length > 0) lines.push(streamLine(ends, { bytes: Buffer.concat(parts), gaps }));
  }
  return lines;
}

function askTcpflow(path: string): StreamLines {
  const folder = mkdtempSync(join(tmpdir(), "mn-tcpflow-"));
  try {
    spawnSync("tcpflow", ["-q", "-r", path, "-o", folder, "-X", "/dev/null"], {
      timeout: TIMEOUT,
      stdio: "ignore",
    });
    const lines: string[] = [];
    for (const name of readdirSync(folder)) {
      const match = /^(.+)\.(\d{5})-(.+)\.(\d{5})(--\d+)?(c\d+)?$/.exec(name);
      if (match === null) continue;
      const [, source = "", sourcePort, target = "", targetPort] = match;
      const ends = `${plain(source)}:${Number(sourcePort)} > ${plain(target)}:${Number(targetPort)}`;
      const bytes = readFileSync(join(folder, name));
      if (bytes.length > 0) lines.push(streamLine(ends, { bytes, gaps: [] }));
    }
    return lines.sort();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Without the zeros in front that tcpflow writes. */
function plain(address: string): string {
  return address.includes(":") ? address : address.split(".").map(Number).join(".");
}
