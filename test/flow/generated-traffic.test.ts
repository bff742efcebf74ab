/**
 * Known streams over a bad network: the engine gives them back, or names the gap. A failure prints the seed that makes
 * the same packets again.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FlowPolicy } from "#flow/policy.ts";
import { play } from "../support/conversation-other.ts";
import { FlowSummaries, type FlowSummary } from "../support/flow-summaries.ts";
import { makeTraffic, type Traffic, type TrafficOptions } from "../support/traffic.ts";

/** METANET_SEED repeats one run; otherwise the runs are others every day. */
const firstSeed: number = Number(process.env.METANET_SEED ?? Math.floor(Date.now() / 86_400_000) * 1000);
const RUN_COUNT = process.env.METANET_SEED === undefined ? 60 : 1;

type Network = Omit<TrafficOptions, "seed">;

const NETWORKS: Readonly<Record<string, Network>> = {
  "a good network": {},
  "loss behind the tap": { lostAfter: 0.1 },
  "loss before the tap": { lostBefore: 0.1 },
  reordering: { delayed: 0.3 },
  duplicates: { duplicated: 0.3, delayed: 0.1 },
  "bytes that come again in other pieces": { repeated: 0.3, lostAfter: 0.1, delayed: 0.2 },
  "retransmissions with other bytes than were acknowledged": { repeated: 0.4, conflicting: 0.5 },
  "packets that the tap misses": { missed: 0.05 },
  "all at once": {
    lostBefore: 0.05,
    lostAfter: 0.05,
    missed: 0.03,
    duplicated: 0.1,
    delayed: 0.2,
    repeated: 0.1,
  },
  "all at once, one byte at a time": { mss: 1, bytesMax: 300, lostAfter: 0.1, missed: 0.05, delayed: 0.3 },
  "all at once, IPv6 without Ethernet, ended by a reset": {
    link: "raw",
    ipv6: true,
    lostAfter: 0.1,
    missed: 0.03,
    delayed: 0.2,
    end: "reset",
  },
  "loss and reordering, without an end": { lostAfter: 0.1, delayed: 0.2, end: "none" },
};

function replay(traffic: Traffic, options: ConstructorParameters<typeof FlowSummaries>[0]): FlowSummary {
  const summaries = new FlowSummaries(options);
  play(summaries, traffic.packets);
  const [summary, ...others] = summaries.close();
  assert.ok(summary);
  assert.equal(others.length, 0, "one flow");
  return summary;
}

function check(traffic: Traffic, summary: FlowSummary, end: TrafficOptions["end"]): void {
  const { client, server } = traffic.truth;
  const hasFin = (end ?? "fin") === "fin";
  assert.equal(client.check(summary.streams[0], hasFin), undefined, "the client's stream");
  assert.equal(server.check(summary.streams[1], hasFin), undefined, "the server's stream");
  const reasons = { fin: "closed", reset: "reset", none: "end-of-input" } as const;
  assert.equal(summary.reason, reasons[end ?? "fin"]);
}

function run(network: Network, options: ConstructorParameters<typeof FlowSummaries>[0]): void {
  for (let index = 0; index < RUN_COUNT; index++) {
    const seed = firstSeed + index;
    try {
      const traffic = makeTraffic({ ...network, seed });
      check(traffic, replay(traffic, options), network.end);
    } catch (error) {
      throw new Error(`METANET_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

describe("FlowEngine, with generated traffic", () => {
  for (const [name, network] of Object.entries(NETWORKS)) {
    it(`FlowEngine gives both streams back, or names the gap: ${name}`, () => run(network, {}));
  }

  for (const overlap of ["first", "last", "bsd", "linux", "old-linux", "windows", "solaris"] as const) {
    it(`FlowEngine gives both streams back under the overlap policy ${overlap}`, () => {
      run(NETWORKS["all at once"] as Network, { policy: { overlap } satisfies Partial<FlowPolicy> });
    });
  }

  for (const name of ["loss behind the tap", "all at once"] as const) {
    it(`FlowEngine shows all that was acknowledged in the acknowledged view: ${name}`, () => {
      run(NETWORKS[name] as Network, { view: "acked" });
    });
  }
});
