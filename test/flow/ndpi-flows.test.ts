/**
 * The flows of nDPI's captures against the tables that its test suite expects: ends, packets and bytes each way.
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { IpProtocol } from "#flow/layers/layers.ts";
import type { FlowPolicy } from "#flow/policy.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import { type NdpiFlow, readNdpiFlows } from "../support/flow-oracles-ndpi.ts";
import { type FlowSummary, summariesOf } from "../support/flow-summaries.ts";
import { NDPI_DISPUTES } from "./disputed.ts";

const FOLDER = join(CAPTURES, "ndpi");
/** A century: nDPI's flows end with the capture. */
const NEVER = 3.2e12;
const NDPI_POLICY = {
  checksums: "trust",
  midstream: "on",
  timeouts: {
    attempt: NEVER,
    established: NEVER,
    closing: NEVER,
    closed: NEVER,
    udp: NEVER,
    icmp: NEVER,
    other: NEVER,
  },
} as unknown as Partial<FlowPolicy>;

/** Packets and bytes of two ends, the one that sorts first first. */
type Counts = [packets: number, packetsBack: number, bytes: number, bytesBack: number];

interface Counted {
  readonly protocol: number;
  readonly ends: readonly [string, string];
  readonly packets: readonly [number, number];
  readonly frameBytes: readonly [number, number];
}

/** Flows between the same ends made one, whoever began them, as nDPI counts. */
function table(flows: readonly Counted[]): ReadonlyMap<string, Counts> {
  const counts = new Map<string, Counts>();
  for (const { protocol, ends, packets, frameBytes } of flows) {
    const [one, other] = ends[0] <= ends[1] ? ([0, 1] as const) : ([1, 0] as const);
    const key = `${protocol} ${ends[one]} ${ends[other]}`;
    const before = counts.get(key) ?? [0, 0, 0, 0];
    const more = [packets[one], packets[other], frameBytes[one], frameBytes[other]];
    counts.set(key, before.map((count, index) => count + (more[index] ?? 0)) as Counts);
  }
  return counts;
}

function endOf(protocol: number, address: string, port: number): string {
  const hasPorts = protocol === IpProtocol.tcp || protocol === IpProtocol.udp;
  // nDPI writes the first group that is 0 as two colons, more than once if need be (not RFC 5952).
  return `${address.replace(":0:", "::")} ${hasPorts ? port : 0}`;
}

function ofNdpi({
  protocol,
  source,
  sourcePort,
  target,
  targetPort,
  packets,
  frameBytes,
}: NdpiFlow): Counted {
  const ends = [endOf(protocol, source, sourcePort), endOf(protocol, target, targetPort)] as const;
  return { protocol, ends, packets, frameBytes };
}

function ofSummary(summary: FlowSummary): Counted {
  const { protocol, client, clientPort, server, serverPort, packets, frameBytes } = summary;
  const ends = [endOf(protocol, client, clientPort), endOf(protocol, server, serverPort)] as const;
  return { protocol, ends, packets, frameBytes };
}

/** Lines for what one of the two has otherwise. */
function differences(theirs: ReadonlyMap<string, Counts>, ours: ReadonlyMap<string, Counts>): string[] {
  return [...new Set([...theirs.keys(), ...ours.keys()])]
    .filter((key) => String(theirs.get(key)) !== String(ours.get(key)))
    .map((key) => `${key}: nDPI ${theirs.get(key) ?? "none"}, here ${ours.get(key) ?? "none"}`);
}

describe("FlowEngine, with nDPI's captures", { skip: capturesSkipped }, () => {
  it("FlowEngine finds the ends, packets and bytes of nDPI's flow tables, but for what is named", async (context) => {
    const disputed = new Map(NDPI_DISPUTES.flatMap(({ captures }) => Object.entries(captures)));
    const complaints: string[] = [];
    let flowCount = 0;
    let captureCount = 0;
    for (const name of readdirSync(FOLDER).filter((file) => !file.endsWith(".out"))) {
      const theirs = readNdpiFlows(join(FOLDER, `${name}.out`));
      assert.ok(theirs.length > 0, `${name}: nDPI has flows`);
      const ours = await summariesOf(join(FOLDER, name), { policy: NDPI_POLICY });
      const found = differences(table(theirs.map(ofNdpi)), table(ours.map(ofSummary)));
      const expected = disputed.get(name) ?? 0;
      if (found.length !== expected) {
        complaints.push(
          `${name}: ${expected} differences are named, found ${found.length}`,
          ...found.slice(0, 5),
        );
      }
      disputed.delete(name);
      flowCount += theirs.length;
      captureCount++;
    }
    assert.deepEqual(complaints, []);
    assert.deepEqual([...disputed.keys()], [], "captures that are named and not there");
    context.diagnostic(`${flowCount} flows of ${captureCount} captures`);
  });

  it("FlowEngine takes for the client who sent first, as nDPI does, but where that was a SYN's answer", async () => {
    const disputed = new Set(NDPI_DISPUTES.flatMap(({ captures }) => Object.keys(captures)));
    const turned: string[] = [];
    let answerCount = 0;
    for (const name of readdirSync(FOLDER).filter((file) => !file.endsWith(".out") && !disputed.has(file))) {
      const theirs = new Map(
        readNdpiFlows(join(FOLDER, `${name}.out`)).map((flow) => [ofNdpi(flow).ends.toString(), flow]),
      );
      for (const summary of await summariesOf(join(FOLDER, name), { policy: NDPI_POLICY })) {
        const [client, server] = ofSummary(summary).ends;
        const isSame = theirs.has(`${client},${server}`);
        if (summary.first === "server") answerCount++;
        if (isSame ? summary.first === "client" : summary.first === "server" && summary.hasSyn[1]) continue;
        turned.push(`${name}: ${client} ${server}`);
      }
    }
    // All eight flags at once: read as an answer, although a reset is none.
    assert.deepEqual(turned, ["http_guessed_host_and_guessed.pcapng: 192.168.0.1 179 170.33.13.5 110"]);
    assert.ok(answerCount > 10);
  });
});
