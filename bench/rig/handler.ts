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
  /** The netfilter queue that is the handler's alone. */
  readonly queue: number;
  /** Bytes of each packet that it is given, without link layer. */
  readonly copyRange: number;
}

export interface Running {
  /** Resolves when it is gone; with what it counted, where it says so. */
  stop(): Promise<string | undefined>;
}

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
    async start(network, programs, { mode, segments, core, queue, copyRange }) {
      const words = [String(queue), mode, segments ? "whole" : "split", String(copyRange)];
      if (mode === "nat") words.push(ADDRESSES[4].src, ADDRESSES[4].outer);
      const own = [process.execPath, join(import.meta.dirname, "../peers/queue-ours.ts")];
      const start = program === "ours" ? own : [programs.path(program)];
      const child = await network.start("fw", [...start, ...words], { core, ready: /ready\n/ });
      return {
        async stop() {
          await child.stop();
          return child.output().split("\n")[1];
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

/** Leads packets to a queue: the data direction for scripts that only look, both directions for `nat`. */
export function switchQueue(network: BenchNetwork, mode: Mode, queue: number, on: boolean): void {
  const hooks =
    mode === "nat"
      ? [
          ["POSTROUTING", "-o", "dst0"],
          ["PREROUTING", "-i", "dst0"],
        ]
      : [["FORWARD", "-i", "src0"]];
  const target = ["-j", "NFQUEUE", "--queue-num", String(queue)];
  for (const program of mode === "nat" ? ["iptables"] : ["iptables", "ip6tables"]) {
    for (const hook of hooks) {
      network.run("fw", [program, "-w", "-t", "mangle", on ? "-A" : "-D", ...hook, ...target]);
    }
  }
}
