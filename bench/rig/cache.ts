/**
 * What stands between the clients and the file servers while it is measured: caches on the router, and delays of the
 * link to the servers.
 * @module
 */
import { type Impairing, startImpairing } from "../../src/app/lab/impair-process.ts";
import type { FileProtocol } from "./file-servers.ts";
import type { BenchNetwork, Place } from "./network.ts";

export interface Cache {
  readonly name: string;
  readonly protocol: FileProtocol;
  /** Starts it, empty, on the router; resolves when packets go through it. */
  start(network: BenchNetwork, core: number | undefined): Promise<{ stop(): Promise<void> }>;
}

export interface Delay {
  /** What it adds to each packet on the link between the router and the servers, one way. */
  readonly milliseconds: number;
  start(network: BenchNetwork): Promise<{ stop(): Promise<void> }>;
}

export const CACHES: readonly Cache[] = [];

/** Both ends of the link to the servers: each delays what leaves by it. */
const SERVER_LINK: readonly (readonly [place: Place, device: string])[] = [
  ["fw", "dst0"],
  ["dst", "eth0"],
];

function linkDelay(milliseconds: number): Delay {
  return {
    milliseconds,
    start: async (network) => {
      const started: Impairing[] = [];
      const stop = async (): Promise<void> => {
        for (const one of started.splice(0)) await one.stop();
      };
      try {
        for (const [place, device] of SERVER_LINK) {
          const link = `${network.namespace(place)}:${device}`;
          started.push(await startImpairing(link, ["--delay", `${milliseconds}ms`]));
        }
      } catch (error) {
        await stop();
        throw error;
      }
      return { stop };
    },
  };
}

/** As far as a server in the same country. */
export const DELAYS: readonly Delay[] = [linkDelay(10)];
