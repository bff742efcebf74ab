/**
 * What is measured of programs in the kernel: who takes turns, under which load, how often.
 * @module
 */
import {
  DROP_HANDLERS,
  type KernelHandler,
  NAT_HANDLERS,
  NAT_HANDLERS_AND_BARE,
  NAT6_HANDLERS,
  programsOf,
} from "./kernel-handlers.ts";
import type { KernelCell } from "./kernel-tables.ts";
import { ECHO_PORT, FAR_ECHO_PORT, flood, type LoadOptions, latency, stream } from "./load.ts";
import type { BenchNetwork } from "./network.ts";
import type { Programs } from "./programs.ts";

/** Who takes turns, at what. */
export interface KernelExperiment extends Pick<KernelCell, "experiment" | "part" | "unit" | "better"> {
  /** Generators of small packets: one on each. The client, and the server on another. */
  readonly cores: 1 | 2;
  readonly handlers: readonly KernelHandler[];
  /** The kernel keeps the times of its programs, and they are what is measured. */
  readonly keepsTimes?: true;
  /** What is measured, under the names of its figures. */
  readonly round: (network: BenchNetwork, programs: Programs) => Promise<Record<string, number>>;
}

const MILLISECONDS = { quick: 200, long: 500 };
/** 0.4 seconds of a stream, and one, at 12 Gbit/s. */
const STREAM_BYTES = { quick: 600_000_000, long: 1_500_000_000 };

export function kernelExperiments(long: boolean): readonly KernelExperiment[] {
  const length = long ? "long" : "quick";
  const four = { version: 4, milliseconds: MILLISECONDS[length], streamBytes: STREAM_BYTES[length] } as const;
  const six = { ...four, version: 6 } as const;
  const nat = { part: "NAT", handlers: NAT_HANDLERS } as const;
  const nat6 = { part: "NAT", handlers: NAT6_HANDLERS } as const;
  const both = [1, 2] as const;
  const few = long ? both : ([1] as const);
  return [
    { ...nat, experiment: SMALL, handlers: NAT_HANDLERS_AND_BARE, ...packets(four, 1) },
    { ...nat, experiment: SMALL, ...packets(four, 2) },
    ...few.map((cores) => ({ ...nat6, experiment: `${SMALL}, IPv6`, ...packets(six, cores) })),
    ...both.map((cores) => ({ ...nat, experiment: "round trip", ...trips(four, cores) })),
    ...both.map((cores) => ({ ...nat, experiment: "TCP", ...tcp(four, cores) })),
    ...few.map((cores) => ({ ...nat6, experiment: "TCP, IPv6", ...tcp(six, cores) })),
    ...Object.entries(DROP_HANDLERS).map(([place, handlers]): KernelExperiment => {
      const load = place.endsWith("IPv6") ? six : four;
      return { experiment: place, part: "drop", handlers, ...drops(load) };
    }),
    { ...nat, experiment: INSIDE, ...times(NAT_HANDLERS_AND_BARE, four) },
    { ...nat, experiment: `${INSIDE}, IPv6`, ...times(NAT6_HANDLERS, six) },
    ...(["interface ingress", "interface ingress, IPv6"] as const).map((place): KernelExperiment => {
      const load = place.endsWith("IPv6") ? six : four;
      return { experiment: `${place}, ${INSIDE}`, part: "drop", ...times(DROP_HANDLERS[place], load) };
    }),
  ];
}

const SMALL = "60-byte packets";
const INSIDE = "time in the program";

type Measure = Pick<KernelExperiment, "unit" | "better" | "cores" | "round">;

function packets(load: LoadOptions, cores: 1 | 2): Measure {
  const options = { ...load, cores };
  return {
    ...{ unit: "packets/s", better: "more", cores },
    round: async (network, programs) => {
      const { delivered, loss } = await flood(network, programs, options);
      return { delivered, loss };
    },
  };
}

function trips(load: LoadOptions, cores: 1 | 2): Measure {
  const options = { ...load, port: cores === 1 ? ECHO_PORT : FAR_ECHO_PORT };
  return {
    ...{ unit: "us", better: "less", cores },
    round: async (network, programs) => {
      const { p50, p99 } = await latency(network, programs, options);
      return { p50, p99 };
    },
  };
}

function tcp(load: LoadOptions, cores: 1 | 2): Measure {
  const ends = { client: 0, server: cores - 1 };
  return {
    ...{ unit: "Gbit/s", better: "more", cores },
    round: async (network) => ({ throughput: await stream(network, load, ends) }),
  };
}

/** What the generator gets rid of: it does the router's work as well. */
function drops(load: LoadOptions): Measure {
  return {
    ...{ unit: "packets/s", better: "more", cores: 1 },
    round: async (network, programs) => ({ handled: (await flood(network, programs, load)).sent }),
  };
}

/** Nanoseconds of a run of the program that the packets meet. */
function times(
  handlers: readonly KernelHandler[],
  load: LoadOptions,
): Measure & Pick<KernelExperiment, "handlers" | "keepsTimes"> {
  return {
    ...{ handlers: programsOf(handlers), keepsTimes: true, unit: "ns", better: "less", cores: 1 },
    round: async (network, programs) => {
      await flood(network, programs, load);
      return {};
    },
  };
}
