/**
 * The programs that flow engines are compared by: compiled into the cache when their source is newer than what lies
 * there, run on one core, each answering one line of JSON.
 * @module
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Trace } from "./flow-trace.ts";

const run = promisify(execFile);

/** Where traces and compiled programs are kept; a long run's traces have 2.5 GB. */
export const FLOW_CACHE: string = join(import.meta.dirname, "..", "..", ".cache", "bench", "flow");

/** Whether an engine checks TCP's checksums; `none` for a program that has no choice. */
export type Checksums = "verify" | "trust" | "none";

/** What an engine says about its run. */
export interface Figures {
  /** Packets, bytes of streams and connections that it counted; undefined where a program does not say. */
  readonly packets?: number;
  readonly bytes?: number;
  readonly flows?: number;
  /** On a processor, in the kernel included, from the first packet on: how the two are split is only sampled. */
  readonly seconds: number;
  readonly maxRssBytes: number;
  /** Resident memory before the first packet, in the middle of the file, and behind the last packet. */
  readonly rssStartBytes?: number;
  readonly rssHalfBytes?: number;
  readonly rssEndBytes?: number;
}

/** Ours in a fresh process, as the others are; ours once it is compiled, as it is live; all others. */
export type EngineKind = "ours" | "warm" | "peer";

/** One engine and how to run it. */
export interface FlowEngineProgram {
  readonly name: string;
  readonly kind: EngineKind;
  readonly checksums: readonly Checksums[];
  /** What must be installed, by path or by the name of a program; what it says without goes to the reader. */
  readonly needs: readonly string[];
  run(trace: Trace, checksums: Checksums, flowCountMax: number): Promise<Figures>;
}

const SOURCES = join(import.meta.dirname, "..", "peers", "flow");
const OURS = join(SOURCES, "ours.ts");
/** As `bin/metanet` keeps them: else Node's removal of types would still be compiling while packets are counted. */
const COMPILED_MODULES = join(import.meta.dirname, "..", "..", ".cache", "node");
const CORE = String(cpus().length - 1);
const GO_FOLDER = "/usr/share/gocode";
const GO_PACKET = join(GO_FOLDER, "src/github.com/google/gopacket/reassembly");

const COMPILERS = {
  "libnids.c": (source, target) => ["cc", "-O2", "-Wall", source, "-o", target, "-lnids", "-lpcap"],
  "libtins.cpp": (source, target) => ["c++", "-O2", "-Wall", source, "-o", target, "-ltins"],
  "gopacket.go": (source, target) => ["go", "build", "-o", target, source],
  "timed.c": (source, target) => ["cc", "-O2", "-Wall", source, "-o", target],
} as const satisfies Record<string, (source: string, target: string) => readonly string[]>;

/** The engines, ours first. */
export const FLOW_ENGINES: readonly FlowEngineProgram[] = [
  ours("ours", "ours"),
  ours("ours, warm", "warm"),
  compiled("libnids", "libnids.c", ["cc", "/usr/include/nids.h"]),
  compiled("libtins", "libtins.cpp", ["c++", "/usr/include/tins/tins.h"]),
  compiled("gopacket", "gopacket.go", ["go", GO_PACKET]),
  {
    name: "tcpflow",
    kind: "peer",
    checksums: ["none"],
    needs: ["cc", "tcpflow"],
    run: runTcpflow,
  },
  {
    name: "tshark",
    kind: "peer",
    checksums: ["none"],
    needs: ["cc", "tshark"],
    run: (trace) => runPinned([program("timed.c"), "tshark", "-n", "-r", trace.path, "-q", "-z", "conv,tcp"]),
  },
];

/** The time that reading the file alone takes ours: no engine behind it. */
export function readAlone(trace: Trace): Promise<Figures> {
  return runPinned([process.execPath, OURS, trace.path, "read", "1"]);
}

/** The first thing an engine needs that this machine lacks; undefined when it has all. */
export function missingFor({ needs }: FlowEngineProgram): string | undefined {
  const folders = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  const has = (need: string): boolean =>
    need.startsWith("/") ? existsSync(need) : folders.some((folder) => existsSync(join(folder, need)));
  return needs.find((need) => !has(need));
}

function ours(name: string, kind: EngineKind): FlowEngineProgram {
  return {
    name,
    kind,
    checksums: ["verify", "trust"],
    needs: [],
    run: (trace, checksums, flowCountMax) =>
      runPinned([process.execPath, OURS, trace.path, checksums, String(flowCountMax), kind]),
  };
}

function compiled(name: string, source: keyof typeof COMPILERS, needs: readonly string[]): FlowEngineProgram {
  return {
    name,
    kind: "peer",
    checksums: ["verify", "trust"],
    needs,
    run: (trace, checksums, flowCountMax) =>
      runPinned([program(source), trace.path, checksums, String(flowCountMax)]),
  };
}

/** The path of a compiled program. */
function program(source: keyof typeof COMPILERS): string {
  const target = join(FLOW_CACHE, source.slice(0, source.indexOf(".")));
  const sources = [source, "capture.h"].map((name) => join(SOURCES, name));
  const newest = Math.max(...sources.map((path) => statSync(path).mtimeMs));
  if (existsSync(target) && statSync(target).mtimeMs > newest) return target;
  mkdirSync(FLOW_CACHE, { recursive: true });
  const [compiler = "", ...words] = COMPILERS[source](join(SOURCES, source), target);
  const go = { GO111MODULE: "off", GOPATH: GO_FOLDER, GOCACHE: join(FLOW_CACHE, "go-build") };
  execFileSync(compiler, words, { env: { ...process.env, ...go } });
  return target;
}

async function runPinned(words: readonly string[]): Promise<Figures> {
  const { stdout } = await run("taskset", ["-c", CORE, ...words], {
    env: { ...process.env, GOMAXPROCS: "1", NODE_COMPILE_CACHE: COMPILED_MODULES },
  });
  return JSON.parse(stdout) as Figures;
}

/** Its streams go to files in memory, where there is such a place. */
async function runTcpflow(trace: Trace): Promise<Figures> {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "metanet-tcpflow-"));
  try {
    const figures = await runPinned([program("timed.c"), "tcpflow", "-q", "-r", trace.path, "-o", folder]);
    const streams = readdirSync(folder).filter((name) => name !== "report.xml");
    const bytes = streams.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    return { ...figures, bytes, flows: streams.length / 2 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
