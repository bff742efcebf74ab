/**
 * Packets of every capture at hand, whole and cut short, by each filter: the compiled function, the program in our
 * machine and tcpdump must agree on each. METANET_FILTER_PACKETS says how many of each file are taken.
 * @module
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { assembleFilter } from "#flow/filter/assemble.ts";
import { BpfMachine } from "#flow/filter/bpf-machine.ts";
import { compileFilter } from "#flow/filter/compile.ts";
import { FilterError } from "#flow/filter/filter-error.ts";
import { FILTER_LINK_TYPES } from "#flow/filter/place.ts";
import { LinkType } from "#packet/link-type.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import { FILTERS } from "./filter-cases.ts";

const PACKETS_OF_FILE = Number(process.env.METANET_FILTER_PACKETS ?? 6);
const SNAP_LENGTH_BYTES = 262_144;

interface Packet {
  readonly bytes: Uint8Array;
  readonly originalBytes: number;
}

/** Of every link type that filters know. Of each third packet there is another one, cut short. */
function collect(): ReadonlyMap<number, readonly Packet[]> {
  const random = new SeededRandom(4);
  const packets = new Map<number, Packet[]>(FILTER_LINK_TYPES.map((type) => [type, []]));
  const paths = readdirSync(CAPTURES, { recursive: true, encoding: "utf8" });
  for (const path of paths.filter((one) => /\.(pcap|pcapng|cap)$/.test(one)).sort()) {
    const reader = new CaptureReader();
    reader.push(readFileSync(join(CAPTURES, path)));
    for (let count = 0; count < PACKETS_OF_FILE && advance(reader); count++) {
      const { bytes, offset, capturedBytes, originalBytes, linkType } = reader.record;
      const own = packets.get(linkType);
      if (own === undefined || capturedBytes > SNAP_LENGTH_BYTES) continue;
      const copy = bytes.slice(offset, offset + capturedBytes);
      own.push({ bytes: copy, originalBytes });
      if (count % 3 !== 0) continue;
      own.push({ bytes: copy.slice(0, random.below(Math.min(capturedBytes, 80) + 1)), originalBytes });
    }
  }
  return packets;
}

function advance(reader: CaptureReader): boolean {
  try {
    return reader.next();
  } catch (error) {
    if (!(error instanceof MalformedCaptureError)) throw error;
    return false;
  }
}

/** A file where each packet's second is its index. */
function write(path: string, linkType: number, packets: readonly Packet[]): void {
  const writer = new PcapWriter({ linkType, timeUnit: "microseconds", snapLengthBytes: SNAP_LENGTH_BYTES });
  for (const [seconds, { bytes, originalBytes }] of packets.entries()) {
    const record = { seconds, nanoseconds: 0, originalBytes, offset: 0, capturedBytes: bytes.length, bytes };
    writer.write(record);
  }
  writeFileSync(path, writer.take());
}

/** Indices that match, or why tcpdump refuses the filter. */
function askTcpdump(path: string, filter: string): ReadonlySet<number> | string {
  const { stdout, stderr, status } = spawnSync("tcpdump", ["-r", path, "-w", "-", "--", filter], {
    maxBuffer: 1 << 28,
  });
  if (status !== 0) {
    const message = stderr.toString().split("tcpdump: ").at(-1)?.trim() ?? "";
    return message === "expression rejects all packets" ? new Set() : message;
  }
  const matching = new Set<number>();
  const reader = new CaptureReader();
  reader.push(stdout);
  while (reader.next()) matching.add(reader.record.seconds);
  return matching;
}

/** By link type and filter: why the answers differ, and of how many packets at most. */
const DIFFERENCES: Readonly<Record<string, string>> = {};

const nameOf = (linkType: number): string =>
  Object.entries(LinkType).find(([, number]) => number === linkType)?.[0] ?? "";

describe("filters", { skip: capturesSkipped }, () => {
  let folder = "";
  let packets: ReadonlyMap<number, readonly Packet[]> = new Map();
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "mn-filter-"));
    packets = collect();
    for (const [linkType, own] of packets) write(join(folder, `${linkType}.pcap`), linkType, own);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const linkType of FILTER_LINK_TYPES) {
    test(`compileFilter() and assembleFilter() decide as tcpdump does of link type ${nameOf(linkType)}`, (context) => {
      const own = packets.get(linkType) ?? [];
      if (own.length === 0) return context.skip("no capture has it");
      const different: Record<string, string> = {};
      let matches = 0;
      for (const filter of FILTERS) {
        const theirs = askTcpdump(join(folder, `${linkType}.pcap`), filter);
        const difference = compareOne(filter, linkType, own, theirs);
        if (typeof difference === "number") matches += difference;
        else different[`${nameOf(linkType)}: ${filter}`] = difference;
      }
      context.diagnostic(`${own.length} packets, ${FILTERS.length} filters, ${matches} matches`);
      const named = Object.keys(DIFFERENCES).filter((key) => key.startsWith(`${nameOf(linkType)}: `));
      for (const key of named) delete different[key];
      assert.deepEqual(different, {});
      return undefined;
    });
  }
});

/** How many match, or in what we differ. */
function compareOne(
  filter: string,
  linkType: number,
  packets: readonly Packet[],
  theirs: ReadonlySet<number> | string,
): number | string {
  if (typeof theirs === "string") {
    try {
      compileFilter(filter, { linkType });
    } catch (error) {
      if (error instanceof FilterError) return 0;
      throw error;
    }
    return `tcpdump refuses it: ${theirs}`;
  }
  let matches: ReturnType<typeof compileFilter>;
  try {
    matches = compileFilter(filter, { linkType });
  } catch (error) {
    return String(error);
  }
  const machine = new BpfMachine(assembleFilter(filter, { linkType, snapLengthBytes: SNAP_LENGTH_BYTES }));
  const wrong: number[] = [];
  for (const [index, { bytes, originalBytes }] of packets.entries()) {
    const mine = matches(bytes, 0, bytes.length, originalBytes);
    const machines = machine.run(bytes, 0, bytes.length, originalBytes) > 0;
    assert.equal(mine, machines, `${filter}: the function and the program differ on packet ${index}`);
    if (mine !== theirs.has(index)) wrong.push(index);
  }
  return wrong.length === 0
    ? theirs.size
    : `${wrong.length} packets, the first is ${wrong[0]}: ${[...(packets[wrong[0] as number]?.bytes ?? [])]
        .slice(0, 70)
        .map((b) => b.toString(16).padStart(2, "0"))
        .join("")} of ${packets[wrong[0] as number]?.bytes.length}`;
}
