/**
 * What is measured on the router: something that handles packets, how it is started, and the rules that lead packets
 * to it.
 * @module
 */
import { join } from "node:path";
import { ADDRESSES, type BenchNetwork } from "./network.ts";
import type { Programs } from "./programs.ts";

/** What is done to each packet; `bench/peers/queue-script.h` has it in C. */
export type Mode = "accept" | "read" | "nat";

export interface HandlerOptions {
  readonly mode: Mode;
  /** Super-packets come whole (`NFQA_CFG_F_GSO`); never with `nat`, whose checksums would be wrong. */
  readonly segments: boolean;
  /** The core to be pinned to. */
  readonly core: number | undefined;
  /** The first of the netfilter queues that are the handler's alone. */
  readonly queue: number;
  /** How many they are; each has a process (C) or a thread (ours) of its own. */
  readonly queueCount: number;
  /** Bytes of each packet that it is given, without link layer. */
  readonly copyRange: number;
}

/** What a handler has done. */
export interface Done {
  readonly packets: number;
  /** Packets whose fields were read, and those that were rewritten. */
  readonly counted: number;
  readonly modified: number;
}

export interface Running {
  /** Resolves when it is gone; with what it counted, where it says so. */
  stop(): Promise<Done | undefined>;
}

const PEERS = join(import.meta.dirname, "../peers");
const NAT_SCRIPT = join(import.meta.dirname, "../../example/packet/nat.ts");

export interface Handler {
  readonly name: string;
  /** What it is good for in a table of ratios: the ground, somebody else's program, or ours. */
  readonly kind: "floor" | "peer" | "ours";
  /**
   * `queue`: the rig switches a rule to its queue for each turn, and it runs all the time. `own`: it brings its own
   * rules and runs only while it has its turn.
   */
  readonly rules: "queue" | "own";
  readonly modes: readonly Mode[];
  start(network: BenchNetwork, programs: Programs, options: HandlerOptions): Promise<Running>;
}

/** Nothing: the router forwards, and no hook is in use. */
export const FORWARDING: Handler = {
  name: "forwarding",
  kind: "floor",
  rules: "own",
  modes: ["accept", "read", "nat"],
  start: async () => ({ stop: async () => undefined }),
};

/** The kernel's own SNAT and DNAT, with connection tracking. */
export const LINUX_NAT: Handler = {
  name: "Linux SNAT/DNAT",
  kind: "peer",
  rules: "own",
  modes: ["nat"],
  async start(network) {
    const snat = `type nat hook postrouting priority srcnat; oifname dst0 snat to ${ADDRESSES[4].outer};`;
    network.run("fw", ["nft", `table ip bench { chain out { ${snat} }; }`]);
    return {
      async stop() {
        network.run("fw", ["nft", "delete table ip bench"]);
        return undefined;
      },
    };
  },
};

function queueProgram(name: string, program: "queue-plain" | "queue-batched" | "ours"): Handler {
  return {
    name,
    kind: program === "ours" ? "ours" : "peer",
    rules: "queue",
    modes: ["accept", "read", "nat"],
    async start(network, programs, { mode, segments, core, queue, queueCount, copyRange }) {
      const words = [mode, segments ? "whole" : "split", String(copyRange)];
      if (mode === "nat") words.push(ADDRESSES[4].src, ADDRESSES[4].outer);
      const own = [process.execPath, join(PEERS, "queue-ours.ts"), queueRange(queue, queueCount)];
      const commands =
        program === "ours"
          ? [own]
          : Array.from({ length: queueCount }, (_, index) => [programs.path(program), String(queue + index)]);
      const children = await Promise.all(
        commands.map((command) => network.start("fw", [...command, ...words], { core, ready: /ready\n/ })),
      );
      return {
        async stop() {
          await Promise.all(children.map((child) => child.stop()));
          return sumOf(children.map((child) => child.output().split("\n")[1] ?? "{}"));
        },
      };
    },
  };
}

/** The loop of libnetfilter_queue's manual. */
export const C_PLAIN: Handler = queueProgram("C plain", "queue-plain");

/** The same task with batches in both directions. */
export const C_BATCHED: Handler = queueProgram("C batched", "queue-batched");

/** Packet scripts in the user-space engine. */
export const OURS: Handler = queueProgram("packet script", "ours");

/** The thesis's listing 4.1 as a user loads it, with rules of the engine's own making. */
export const OUR_NAT: Handler = {
  name: "nat.ts",
  kind: "ours",
  rules: "own",
  modes: ["nat"],
  async start(network, _programs, { core }) {
    const scripts = await startScripts(network, core, NAT_SCRIPT, [
      { name: "snat", hook: "postrouting", out: "dst0" },
      { name: "dnat", hook: "prerouting", in: "dst0" },
    ]);
    return {
      async stop() {
        const packets = (await scripts.stop()).reduce((sum, one) => sum + one.packets, 0);
        return { packets, counted: 0, modified: packets };
      },
    };
  },
};

/** A function of a module, and the packets it is for. */
export interface RouterScript {
  readonly name: string;
  readonly hook: "prerouting" | "forward" | "postrouting";
  readonly in?: string;
  readonly out?: string;
  /** In nft's language. */
  readonly match?: string;
}

/** What a script on the router has done. */
export interface ScriptDone {
  readonly name: string;
  readonly packets: number;
  readonly errors: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** Starts functions of one module on the router, in one isolate; at the end, tells what each did. */
export async function startScripts(
  network: BenchNetwork,
  core: number | undefined,
  file: string,
  scripts: readonly RouterScript[],
): Promise<{ stop(): Promise<readonly ScriptDone[]> }> {
  const words = scripts.flatMap((script) => [
    script.name,
    script.hook,
    script.in === undefined ? "out" : "in",
    script.in ?? script.out ?? "",
    script.match ?? "",
  ]);
  const program = join(PEERS, "router-scripts.ts");
  const command = [process.execPath, program, file, ...words];
  const child = await network.start("fw", command, { core, ready: /ready\n/ });
  return {
    async stop() {
      await child.stop();
      const done: ScriptDone[] = JSON.parse(child.output().split("\n")[1] ?? "[]");
      const failed = done.find(({ errors, packets }) => errors > 0 || packets === 0);
      if (failed) throw new Error(`Cannot compare: ${failed.name} of ${file}: ${JSON.stringify(failed)}`);
      return done;
    },
  };
}

/** Leads packets to a handler's queues: the data direction for scripts that only look, both directions for `nat`. */
export function switchQueue(
  network: BenchNetwork,
  { mode, queue, queueCount }: Pick<HandlerOptions, "mode" | "queue" | "queueCount">,
  on: boolean,
): void {
  const hooks =
    mode === "nat"
      ? [
          ["POSTROUTING", "-o", "dst0"],
          ["PREROUTING", "-i", "dst0"],
        ]
      : [["FORWARD", "-i", "src0"]];
  const choice =
    queueCount === 1 ? ["--queue-num", String(queue)] : ["--queue-balance", queueRange(queue, queueCount)];
  for (const program of mode === "nat" ? ["iptables"] : ["iptables", "ip6tables"]) {
    for (const hook of hooks) {
      const words = [program, "-w", "-t", "mangle", on ? "-A" : "-D", ...hook, "-j", "NFQUEUE", ...choice];
      network.run("fw", words);
    }
  }
}

function queueRange(first: number, count: number): string {
  return count === 1 ? String(first) : `${first}:${first + count - 1}`;
}

function sumOf(texts: readonly string[]): Done {
  const all: Partial<Done>[] = texts.map((text) => JSON.parse(text));
  const sum = (name: keyof Done): number => all.reduce((before, one) => before + (one[name] ?? 0), 0);
  return { packets: sum("packets"), counted: sum("counted"), modified: sum("modified") };
}
