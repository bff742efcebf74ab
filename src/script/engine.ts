/**
 * An engine runs packet scripts. There is one for user space and one in the kernel; both take the same description and
 * tell the same statistics.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { Hook } from "#packet/packet.ts";
import type { VerdictKind } from "./verdict.ts";

/** What becomes of a packet whose script fails, is too slow, or is not there. */
export type OnError = "drop" | "accept";

/** Where scripts run: `user` over netfilter's queues, `kernel` as eBPF. */
export type EngineName = "user" | "kernel";

/** Which engine is wanted; `auto` takes the kernel when the script can run there exactly as in user space. */
export type EngineChoice = EngineName | "auto";

/** One side of an interface, or its driver: in the kernel only, with packets that begin with Ethernet. */
export type InterfaceHook = "ingress" | "egress" | "xdp";

/** Where scripts get their packets: netfilter's hooks, and those of interfaces. */
export type ScriptHook = Hook | InterfaceHook;

export type ScriptFamily = "inet" | "ip" | "ip6" | "bridge";

/** What to run, and on which packets. */
export interface ScriptSpec {
  /** The name it is listed and unloaded by: 1 to 64 of `a-z A-Z 0-9 _ -`, a letter first. */
  readonly name: string;
  /** The absolute path of the module. */
  readonly file: string;
  /** The exported function. */
  readonly function: string;
  readonly hook: ScriptHook;
  readonly family: ScriptFamily;
  readonly inInterface?: string;
  readonly outInterface?: string;
  /** An expression in nft's language; the kernel evaluates it. */
  readonly match?: string;
  /** Scripts of one isolate share their modules' variables; others share nothing but maps. */
  readonly isolate: string;
  readonly onError: OnError;
  /** Queues, each with an isolate of its own, over which connections are spread; 1 to 64. */
  readonly queueCount: number;
  /** How long a later verdict is waited for. */
  readonly deadline: Duration;
  /** How long a function may keep its isolate busy with one packet. */
  readonly timeLimit: Duration;
  /** For `context.random`; a random one when absent. */
  readonly seed?: number;
  /** `auto` when absent. */
  readonly engine?: EngineChoice;
  /** Whether a program in the kernel stays attached when its process ends, however it does; `false` when absent. */
  readonly pin?: boolean;
  /** Only packets whose mark has this bit, which the kernel's half of the script has set; for engines alone. */
  readonly handOverMark?: number;
  /** The place at its hook that it is to have; behind all others when absent. For engines alone. */
  readonly place?: number;
}

/** A script that netfilter's queues can bring its packets to. */
export type QueuedSpec = ScriptSpec & { readonly hook: Hook };

/** An error of a script, as it is counted: where in the script, what, how often. */
export interface ScriptFault {
  /** `threw`, `timed-out` (later than its deadline), `stuck` (longer than its time limit), `nonsense` (no verdict). */
  readonly kind: "threw" | "timed-out" | "stuck" | "nonsense" | "overflow" | "memory";
  /** `nat.ts:12:7`; the function's name when the place is not known. */
  readonly place: string;
  readonly message: string;
  readonly count: number;
}

export interface ScriptStatistics {
  readonly packets: number;
  readonly bytes: number;
  readonly verdicts: Readonly<Record<VerdictKind, number>>;
  readonly errors: number;
  /** Packets that went by `onError` because nobody could be asked. */
  readonly bypassed: number;
  /** Held for a later verdict now. */
  readonly held: number;
  readonly sent: number;
  readonly deferred: number;
  /** Handed over by the kernel's half of a script to the other; none when absent. */
  readonly handed?: number;
  /** Sent out of another interface in place of their way; none when absent. */
  readonly redirected?: number;
  /** Nanoseconds that 50 and 99 of 100 packets took at most; 0 before the first. */
  readonly timeP50: number;
  readonly timeP99: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly faults: readonly ScriptFault[];
}

export interface LoadedScript {
  readonly spec: ScriptSpec;
  readonly engine: EngineName;
  /** `waiting`: for an interface that is not there. */
  readonly state: "running" | "waiting" | "restarting" | "failed";
  /** Grows with every reload, from 1. */
  readonly version: number;
  /** Its place among the scripts of its hook, which run in this order. */
  readonly place?: number;
  /** Whether the script is run on aggregates, and how much of each packet it sees. */
  readonly isWriting: boolean;
  readonly readBytes: number;
  readonly statistics: ScriptStatistics;
  /** Why it is not in the kernel, where it might have been; one sentence or several. */
  readonly reason?: string;
  /** Where it is in the kernel: `netfilter ipv4 prerouting -150`, `tcx-ingress eth0`. */
  readonly attached?: readonly string[];
  /** Its program stays when the process ends. */
  readonly isPinned?: boolean;
  /** The function of the same module that decides in user space about what this one hands over. */
  readonly handsOverTo?: string;
  /** What may not be meant, and where the kernel cannot be as user space. */
  readonly warnings?: readonly string[];
}

export interface ScriptEngine {
  /**
   * Runs a script from now on. A name that is loaded is replaced: with the same hook and match not one packet is lost
   * or goes unseen, and when the new one cannot be loaded the old one stays.
   * @throws ScriptLoadError, MatchRefusedError, ConfigurationError, UnavailableError
   */
  load(spec: ScriptSpec): Promise<LoadedScript>;
  /**
   * What is to be loaded from now on, in this order, at the start: until each is, or when it cannot be, its packets go
   * by its `onError`. Takes the place of what an earlier engine has left, in one step.
   * @returns the names of those whose packets cannot be told, and pass unseen until they are loaded.
   * @throws as {@link load}; what an earlier engine has left stays then.
   */
  reserve(specs: readonly ScriptSpec[]): Promise<readonly string[]>;
  /** Brings back what somebody else has removed of the scripts' rules; the names of these scripts. @throws as load */
  repair(): Promise<readonly string[]>;
  /** Packets are not brought to the script any more; those held get their verdicts first. `false`: not loaded. */
  unload(name: string): Promise<boolean>;
  list(): Promise<readonly LoadedScript[]>;
  /** Unloads everything and leaves nothing behind. */
  close(): Promise<void>;
}
