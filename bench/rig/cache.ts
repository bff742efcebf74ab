/**
 * What stands between the clients and the file servers while it is measured: caches on the router, and delays of the
 * link to the servers.
 * @module
 */
import type { FileProtocol } from "./file-servers.ts";
import type { BenchNetwork } from "./network.ts";

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

export const DELAYS: readonly Delay[] = [];
