/**
 * What a packet script is given besides the packet: time, randomness, deferred work, sending, shared state, the bus.
 * The same in every engine and over a capture, where time is the capture's.
 * @module
 */
import type { Duration, Instant } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import type { BuiltPacket } from "#packet/build.ts";
import type { Hook, Packet } from "#packet/packet.ts";
import type { MapOptions } from "./map-directory.ts";
import type { SharedMap } from "./shared-map.ts";
import type { Later, Verdict, VerdictPromise } from "./verdict.ts";

/** A packet script: a function from packet to verdict. Nothing, or a promise of nothing, means `continue`. */
export type PacketScript = (
  packet: Packet,
  context: Context,
  // biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement is a script too
) => Verdict | Later | VerdictPromise | undefined | void;

/** How a script wants to be run; exported as `options` from its module, for all its functions. */
export interface ScriptOptions {
  /** `false` promises that no packet is written to: then aggregates come whole. Found out by reading when absent. */
  readonly writes?: boolean;
  /** Bytes of each packet that are read, from its start; all unless told or found out. */
  readonly readBytes?: number;
  /**
   * `false`: each packet comes by itself, though none is written to. Usual for scripts that send, as checksums of
   * what comes as an aggregate are not complete yet.
   */
  readonly aggregates?: boolean;
  /** Whether `packet.connection` is wanted. Found out by reading when absent. */
  readonly connection?: boolean;
  /**
   * `false`: `packet.find` does not look into tunnels, which are GRE, VXLAN, MPLS, IP in IP and Ethernet in IP. What it
   * finds is the same in user space and in the kernel, where it cannot look into them.
   */
  readonly tunnels?: boolean;
}

export interface SendOptions {
  /** By the machine's routes (at first), or as a whole frame on `interface`. */
  readonly way?: "routed" | "frame";
  /** The interface's name; a must for frames. */
  readonly interface?: string;
  /** The netfilter mark of what is sent. */
  readonly mark?: number;
  /** How much later. */
  readonly delay?: Duration;
}

export interface DeferOptions {
  /** How much later; at once, after the verdicts of the packets that are here, when absent. */
  readonly delay?: Duration;
  /** A packet to take along: copied now, and given to the action. */
  readonly packet?: Packet;
}

export interface Deferred {
  /** The action will not run; harmless when it has. */
  cancel(): void;
}

/** A counter of the script's own, shown by `metanet script list` and told on the bus. */
export interface ScriptCounter {
  readonly value: number;
  add(count?: number): void;
}

/** The bus, as scripts have it: messages leave after the packets that are here have their verdicts. */
export interface ScriptBus {
  /** Sends a message and waits for nothing. */
  post(address: string, fields?: Readonly<Record<string, Value>>): void;
  /** Asks, and is answered; a script that awaits it holds its packet. @throws what the bus answers with */
  call(
    address: string,
    fields?: Readonly<Record<string, Value>>,
    options?: { readonly timeout?: Duration },
  ): Promise<Readonly<Record<string, Value>>>;
}

export interface Context {
  /** The time of the packet: the wall clock's, or over a capture the capture's; never earlier than before. */
  readonly now: Instant;
  /** At least 0, below 1; the same sequence again with the same `--seed`. */
  random(): number;
  /** An integer, at least 0 and below `limit` (1 to 2^32). */
  randomInteger(limit: number): number;
  /** Runs `action` after the packets that are here. What it throws is counted as the script's error. */
  defer(
    action: (context: Context, packet: Packet | undefined) => void | PromiseLike<void>,
    options?: DeferOptions,
  ): Deferred;
  /**
   * Sends a packet: a built one, a copy of one that is here, or bytes. Scripts do not meet what scripts send.
   * @returns whether it could be taken; `false` when too many wait to be sent.
   */
  send(packet: BuiltPacket | Packet | Uint8Array, options?: SendOptions): boolean;
  /** The counter of this name, made on its first use. */
  counter(name: string): ScriptCounter;
  /**
   * The map of this name, shared by all scripts that name it, in whatever isolate; made on its first use.
   * @throws ConfigurationError when it was made with other options.
   */
  map(name: string, options?: MapOptions): SharedMap;
  readonly bus: ScriptBus;
  /** One line for the log, at most some a second. */
  log(text: string): void;
  /** Who is asking. */
  readonly script: ScriptIdentity;
}

export interface ScriptIdentity {
  /** The name it was loaded by. */
  readonly name: string;
  readonly isolate: string;
  readonly hook: Hook | undefined;
}
