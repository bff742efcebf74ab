/**
 * The loads of the measurements and what each tells: small UDP packets as fast as they go, UDP round trips, one TCP
 * stream.
 * @module
 */
import { ADDRESSES, type BenchNetwork, MANY_TARGETS, SINK_PORT } from "./network.ts";
import type { Programs } from "./programs.ts";

export interface Flood {
  /** Packets per second that reached `dst`, and that left `src`. */
  readonly delivered: number;
  readonly sent: number;
  /** The part of them that did not arrive, 0 to 1. */
  readonly loss: number;
}

export interface Latency {
  /** Microseconds of a round trip. */
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
  readonly lost: number;
}

export interface LoadOptions {
  readonly version: 4 | 6;
  /** How long is measured, after a warm-up, in milliseconds. */
  readonly milliseconds: number;
  /** Packets per second of a flood; as many as go when absent. */
  readonly perSecond?: number;
  /** To how many addresses a flood goes, 1 to 256; 1 when absent, more only with IPv4. */
  readonly flows?: number;
  /** How many floods there are at once, each from a core of its own; 1 when absent. */
  readonly cores?: 1 | 2;
  /** The port of the echo server; {@link ECHO_PORT} when absent. */
  readonly port?: number;
  /** How much a stream carries, in place of how long. */
  readonly streamBytes?: number;
}

/** Where the ends of a stream run; anywhere when absent. */
export interface StreamCores {
  readonly client?: number;
  readonly server?: number;
}

/** Where the echo server of the latency client listens, and that of another core. */
export const ECHO_PORT = 7;
export const FAR_ECHO_PORT = 8;

const PAYLOAD_BYTES = "18";
const REQUEST_BYTES = "32";
const WARM_MS = "100";
/** Generator and clients are here, the first of several, and with them the forwarding that they cause. */
const LOAD_CORE = 0;

/** Packets of 60 bytes with Ethernet header. */
export async function flood(network: BenchNetwork, programs: Programs, options: LoadOptions): Promise<Flood> {
  const cores = Array.from({ length: options.cores ?? 1 }, (_, index) => LOAD_CORE + index);
  const floods = await Promise.all(cores.map((core) => floodFrom(core, network, programs, options)));
  const sum = (name: keyof Flood): number => floods.reduce((before, one) => before + one[name], 0);
  // Each of them sees all that arrives.
  const [sent, delivered] = [sum("sent"), sum("delivered") / floods.length];
  return { delivered, sent, loss: Math.max(0, 1 - delivered / Math.max(1, sent)) };
}

async function floodFrom(
  core: number,
  network: BenchNetwork,
  programs: Programs,
  options: LoadOptions,
): Promise<Flood> {
  const { flows = 1, version } = options;
  const target = flows === 1 ? ADDRESSES[version].dst : MANY_TARGETS;
  const words = [target, String(SINK_PORT), PAYLOAD_BYTES, String(flows)];
  const numbers = [String(options.perSecond ?? 0), WARM_MS, String(options.milliseconds)];
  const file = `/run/netns/${network.namespace("dst")}`;
  const text = await network.runLong("src", [programs.path("udp-flood"), ...words, ...numbers, file], core);
  const { nanoseconds, sent, delivered } = JSON.parse(text);
  const perSecond = (count: number): number => (count * 1e9) / nanoseconds;
  return {
    delivered: perSecond(delivered),
    sent: perSecond(sent),
    loss: Math.max(0, 1 - delivered / Math.max(1, sent)),
  };
}

/** Round trips one after the other, with a flood of a given rate beside them or without. */
export async function latency(
  network: BenchNetwork,
  programs: Programs,
  options: LoadOptions,
): Promise<Latency> {
  const { perSecond, milliseconds } = options;
  const beside =
    perSecond === undefined
      ? undefined
      : flood(network, programs, { ...options, milliseconds: milliseconds + 100 });
  const numbers = [REQUEST_BYTES, WARM_MS, String(milliseconds)];
  const port = String(options.port ?? ECHO_PORT);
  const words = [programs.path("udp-ping"), ADDRESSES[options.version].dst, port, ...numbers];
  const text = await network.runLong("src", words, LOAD_CORE);
  await beside;
  const { p50 = Number.NaN, p99 = Number.NaN, count, lost } = JSON.parse(text);
  return { p50: p50 / 1000, p99: p99 / 1000, count, lost };
}

/** One TCP stream from `src` to `dst`, in Gbit/s as it arrives. */
export async function stream(
  network: BenchNetwork,
  options: LoadOptions,
  cores: StreamCores = {},
): Promise<number> {
  const server = await network.start("dst", ["iperf3", "-s", "-1", "--forceflush"], {
    core: cores.server,
    ready: /listening/,
  });
  try {
    const seconds = String(Math.max(1, Math.round(options.milliseconds / 1000)));
    const much = options.streamBytes === undefined ? ["-t", seconds] : ["-n", String(options.streamBytes)];
    const words = ["iperf3", "-J", "-c", ADDRESSES[options.version].dst, ...much];
    const text = await network.runLong("src", [...words, "--connect-timeout", "2000"], cores.client);
    const { end, error } = JSON.parse(text);
    if (end?.sum_received === undefined) throw new Error(`Cannot measure a stream: iperf3 says ${error}`);
    return end.sum_received.bits_per_second / 1e9;
  } finally {
    await server.stop();
  }
}
