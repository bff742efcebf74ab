/**
 * The bytes of every TCP stream of every capture against what tshark and tcpflow make of it. What they said is
 * remembered below .cache/: a run asks for so much more as there is time for, METANET_ORACLES=all for everything.
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { IpProtocol } from "#flow/layers/layers.ts";
import type { FlowPolicy } from "#flow/policy.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import {
  fillGaps,
  StreamOracles,
  streamLine,
  streamOraclesSkipped,
} from "../support/flow-oracles-streams.ts";
import { type FlowSummary, type SummaryStream, summarise } from "../support/flow-summaries.ts";
import { type StreamDispute, TCPFLOW_DISPUTES, TSHARK_DISPUTES } from "./disputed.ts";

/** A century: streams end with the capture. */
const NEVER = 3.2e12;
/** As both programs have it: no checksums, no windows, no timestamps. */
const POLICY = {
  checksums: "trust",
  midstream: "on",
  window: "ignore",
  paws: false,
  timeouts: { attempt: NEVER, established: NEVER, closing: NEVER, closed: NEVER },
} as unknown as Partial<FlowPolicy>;

interface Stream {
  readonly ends: string;
  readonly stream: SummaryStream;
}

/** All captures, from another one on each day: where there is no time for all, it is others that are asked. */
function captureNames(): string[] {
  const names = readdirSync(CAPTURES, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(pcap|pcapng|cap)$/.test(name))
    .sort();
  const first = (Math.floor(Date.now() / 86_400_000) * 97) % names.length;
  return [...names.slice(first), ...names.slice(0, first)];
}

/** The directions that have bytes. */
function streamsOf(summaries: readonly FlowSummary[]): Stream[] {
  return summaries.flatMap(({ protocol, client, clientPort, server, serverPort, streams }) => {
    if (protocol !== IpProtocol.tcp) return [];
    const [one, other] = [`${client}:${clientPort}`, `${server}:${serverPort}`];
    const both = [
      { ends: `${one} > ${other}`, stream: streams[0] },
      { ends: `${other} > ${one}`, stream: streams[1] },
    ];
    return both.filter(({ stream }) => stream.bytes.length > 0);
  });
}

function hasPayload({ protocol, payloadBytes }: FlowSummary): boolean {
  return protocol === IpProtocol.tcp && payloadBytes[0] + payloadBytes[1] > 0;
}

/** Without gaps at its begin and end, of which the programs tell not at all or now and then. */
function trimmed({ bytes, gaps }: SummaryStream): SummaryStream {
  const missing = gaps.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  let [first, end] = [0, bytes.length + missing];
  const inside = gaps.filter(({ offset, lengthBytes }) => {
    if (offset === first) first += lengthBytes;
    return offset >= first;
  });
  for (
    let last = inside.at(-1);
    last !== undefined && last.offset + last.lengthBytes >= end;
    last = inside.at(-1)
  ) {
    end = last.offset;
    inside.pop();
  }
  return { bytes, gaps: inside.map(({ offset, lengthBytes }) => ({ offset: offset - first, lengthBytes })) };
}

/** Lines that only one of the two has. */
function unmatched(ours: readonly string[], theirs: readonly string[]): string[] {
  const left = [...theirs];
  const alone = ours.filter((line) => {
    const index = left.indexOf(line);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
  return [...alone.map((line) => `here ${line}`), ...left.map((line) => `there ${line}`)];
}

/** Fails unless as many lines differ of each capture that was asked about as are named for it. */
function checkDisputes(
  found: ReadonlyMap<string, readonly string[]>,
  disputes: readonly StreamDispute[],
  unasked: ReadonlySet<string>,
): void {
  const entries = disputes.flatMap(({ captures }) => Object.entries(captures));
  const named = new Map(entries.filter(([name]) => !unasked.has(name)));
  const complaints: string[] = [];
  for (const name of new Set([...found.keys(), ...named.keys()])) {
    const lines = found.get(name) ?? [];
    const expected = named.get(name) ?? 0;
    if (lines.length === expected) continue;
    complaints.push(`${name}: ${expected} lines are named, found ${lines.length}`);
    complaints.push(...lines.slice(0, 3).map((line) => `  ${line.slice(0, 160)}`));
  }
  assert.deepEqual(complaints, []);
}

describe("FlowEngine, with every TCP stream at hand", {
  skip: capturesSkipped || streamOraclesSkipped,
}, () => {
  const streams = new Map<string, Stream[]>();
  const oracles = new StreamOracles(20_000);
  const tcpflow = new StreamOracles(8_000);

  it("FlowEngine gives tshark's bytes and gaps, but for what is named", async (context) => {
    const found = new Map<string, string[]>();
    const unasked = new Set<string>();
    let count = 0;
    for (const name of captureNames()) {
      const summaries = summarise(readFileSync(join(CAPTURES, name)), { policy: POLICY });
      if (!summaries.some(hasPayload)) continue;
      const ours = streamsOf(summaries);
      streams.set(name, ours);
      const lines = ours.map(({ ends, stream }) => streamLine(ends, trimmed(stream)));
      const theirs = await oracles.ask("tshark", join(CAPTURES, name));
      if (theirs === undefined) {
        unasked.add(name);
        continue;
      }
      const different = unmatched(lines, theirs.map(withoutFirstGap));
      if (different.length > 0) found.set(name, different);
      count += ours.length;
    }
    oracles.close();
    checkDisputes(found, TSHARK_DISPUTES, unasked);
    context.diagnostic(
      `${count} streams of ${streams.size - unasked.size} captures, ${unasked.size} not asked`,
    );
    assert.ok(count > 0);
  });

  it("FlowEngine gives tcpflow's bytes for streams of the same length, but for what is named", async (context) => {
    // tcpflow takes the padding of short Ethernet frames and keep-alives for data, and opens no tunnels and no BSD
    // loopback: most streams that it has longer are that. Those of one length have to be the same.
    const found = new Map<string, string[]>();
    const unasked = new Set<string>();
    let [sameCount, otherCount] = [0, 0];
    for (const [name, ours] of streams) {
      const theirs = await tcpflow.ask("tcpflow", join(CAPTURES, name));
      if (theirs === undefined) {
        unasked.add(name);
        continue;
      }
      for (const { ends, stream } of ours) {
        const line = streamLine(ends, { bytes: fillGaps(stream), gaps: [] });
        const candidates = theirs.filter((one) => withoutDigest(one) === withoutDigest(line));
        if (candidates.includes(line)) sameCount++;
        else if (candidates.length === 0) otherCount++;
        else found.set(name, [...(found.get(name) ?? []), `here ${line}`]);
      }
    }
    checkDisputes(found, TCPFLOW_DISPUTES, unasked);
    context.diagnostic(
      `${sameCount} streams are the same, ${otherCount} longer, shorter or not there, ${unasked.size} captures not asked`,
    );
    assert.ok(sameCount > otherCount, `${sameCount} and ${otherCount}`);
  });
});

function withoutDigest(line: string): string {
  return line.slice(0, line.lastIndexOf(" "));
}

function withoutFirstGap(line: string): string {
  return line.replace(/: gap \d+, /, ": ");
}
