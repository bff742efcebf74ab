/**
 * What is measured of packet scripts: modes, loads and rounds of each experiment.
 * @module
 */
import type { Mode } from "./handler.ts";
import { flood, latency, stream } from "./load.ts";
import type { BenchNetwork } from "./network.ts";
import type { Programs } from "./programs.ts";

/** One thing that is measured: `round` answers its figures for whatever handles packets just now. */
export interface Experiment {
  readonly name: string;
  readonly unit: "packets/s" | "us" | "Gbit/s";
  readonly better: "more" | "less";
  readonly cores: readonly (1 | 2)[];
  readonly mode: Mode;
  readonly segments: boolean;
  readonly copyRange: number;
  readonly queueCount: number;
  /** Whether hosts and router leave transport checksums, and with them segmentation, to the (virtual) card. */
  readonly offload: boolean;
  readonly rounds: number;
  /** What is measured, under the names of the columns; the first is what ratios are made of. */
  readonly round: (
    network: BenchNetwork,
    programs: Programs,
    cores: 1 | 2,
  ) => Promise<Record<string, number>>;
}

const BESIDE_PER_SECOND = 50_000;
const WHOLE_PACKETS = 65_535;
const HEADERS = 128;
const MANY_FLOWS = 64;

export function experiments(long: boolean): readonly Experiment[] {
  const both = [1, 2] as const;
  const usual = {
    cores: both,
    segments: false,
    copyRange: HEADERS,
    queueCount: 1,
    offload: true,
    rounds: long ? 9 : 3,
  } as const;
  const packets = (options: { readonly version?: 4 | 6; readonly flows?: number } = {}) =>
    ({ ...usual, unit: "packets/s", better: "more", ...floodRound(long, options) }) as const;
  const trips = (perSecond?: number) =>
    ({
      ...usual,
      unit: "us",
      better: "less",
      mode: "read",
      rounds: long ? 9 : 5,
      ...tripRound(long, perSecond),
    }) as const;
  const tcp = { ...usual, unit: "Gbit/s", better: "more", ...streamRound(long) } as const;
  const few = long ? both : ([1] as const);
  return [
    { ...packets(), name: "60-byte packets, accept", mode: "accept", cores: long ? both : [2] },
    { ...packets(), name: "60-byte packets, read five fields", mode: "read" },
    { ...packets({ version: 6 }), name: "60-byte packets, read five fields, IPv6", mode: "read", cores: few },
    { ...packets(), name: "60-byte packets, rewrite source", mode: "nat", copyRange: WHOLE_PACKETS },
    { ...packets({ flows: MANY_FLOWS }), name: `${TWO_QUEUES}, read five fields`, mode: "read", ...TWO },
    { ...packets({ flows: MANY_FLOWS }), name: `${TWO_QUEUES}, rewrite source`, ...NAT, ...TWO },
    ...(long
      ? [
          {
            ...packets(),
            name: "60-byte packets, read, whole copies",
            mode: "read",
            copyRange: WHOLE_PACKETS,
          } as const,
        ]
      : []),
    { ...trips(), name: "round trip, idle" },
    { ...trips(BESIDE_PER_SECOND), name: `round trip, ${BESIDE_PER_SECOND / 1000}k packets/s beside` },
    { ...tcp, name: "TCP, read, segments whole (GSO)", mode: "read", segments: true },
    { ...tcp, name: "TCP, read, segments split", mode: "read" },
    { ...tcp, name: "TCP, rewrite, segments split", ...NAT },
    { ...tcp, name: "TCP, read, offload off", mode: "read", offload: false, cores: few },
    { ...tcp, name: "TCP, rewrite, offload off", ...NAT, offload: false, cores: few },
  ];
}

const TWO_QUEUES = "60-byte packets, two queues";
const TWO = { queueCount: 2, cores: [2] } as const;
const NAT = { mode: "nat", copyRange: WHOLE_PACKETS } as const;

function floodRound(
  long: boolean,
  { version = 4, flows = 1 }: { readonly version?: 4 | 6; readonly flows?: number },
): Pick<Experiment, "round"> {
  const options = { version, flows, milliseconds: long ? 1000 : 300 };
  return { round: async (network, programs) => ({ ...(await flood(network, programs, options)) }) };
}

function tripRound(long: boolean, perSecond: number | undefined): Pick<Experiment, "round"> {
  const beside = perSecond === undefined ? {} : { perSecond };
  const options = { version: 4, milliseconds: long ? 1000 : 300, ...beside } as const;
  return { round: async (network, programs) => ({ ...(await latency(network, programs, options)) }) };
}

function streamRound(long: boolean): Pick<Experiment, "round"> {
  const options = { version: 4, milliseconds: long ? 3000 : 1000 } as const;
  return {
    round: async (network, _programs, cores) => {
      return { throughput: await stream(network, options, cores === 1 ? { client: 0, server: 0 } : {}) };
    },
  };
}
