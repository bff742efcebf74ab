/**
 * What stands between the clients and the file servers while it is measured: caches on the router, and a delay of the
 * link to the servers.
 * @module
 */
import { join } from "node:path";
import { startImpairing } from "../../src/app/lab/impair-process.ts";
import type { FileProtocol } from "./file-servers.ts";
import { type ScriptDone, startScripts } from "./handler.ts";
import { ADDRESSES, type BenchNetwork } from "./network.ts";

/** A packet script that caches what one address of `src` downloads; what {@link SECOND_SOURCE} does goes past it. */
export interface Cache {
  readonly name: string;
  readonly protocol: FileProtocol;
  /** Starts it, empty, on the router; resolves when packets go through it. */
  start(network: BenchNetwork, core: number | undefined): Promise<{ stop(): Promise<readonly ScriptDone[]> }>;
}

const EXAMPLES = join(import.meta.dirname, "../../example/packet");
const CLIENT = ADDRESSES[4].src;

export const CACHES: readonly Cache[] = [
  {
    name: "tftp-cache.ts",
    protocol: "tftp",
    start: (network, core) =>
      startScripts(network, core, join(EXAMPLES, "tftp-cache.ts"), [
        { name: "requests", hook: "forward", in: "src0", match: `meta l4proto udp ip saddr ${CLIENT}` },
        { name: "answers", hook: "forward", in: "dst0", match: `meta l4proto udp ip daddr ${CLIENT}` },
      ]),
  },
  {
    name: "http-cache.ts",
    protocol: "http",
    start: (network, core) =>
      startScripts(network, core, join(EXAMPLES, "http-cache.ts"), [
        { name: "requests", hook: "forward", in: "src0", match: `tcp dport 80 ip saddr ${CLIENT}` },
        { name: "responses", hook: "forward", in: "dst0", match: `tcp sport 80 ip daddr ${CLIENT}` },
      ]),
  },
];

/** What the link between the router and the servers adds to each packet, each way. */
export const DELAY_MILLISECONDS = 5;

/** Delays that link with `metanet lab impair`; tells at the end how many packets were lost in it, which should be none. */
export async function startDelay(network: BenchNetwork): Promise<{ stop(): Promise<number> }> {
  const words = ["--delay", `${DELAY_MILLISECONDS}ms`, "--both", "--seed", "1"];
  const impairing = await startImpairing(`${network.namespace("dst")}:eth0`, words);
  return {
    async stop() {
      const ways = await impairing.stop();
      return ways.reduce((sum, way) => sum + way.excess + way.overflowed + way.lost, 0);
    },
  };
}
