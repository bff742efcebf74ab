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
import { compileFilter, type PacketFilter } from "#flow/filter/compile.ts";
import { FilterError } from "#flow/filter/filter-error.ts";
import { FILTER_LINK_TYPES } from "#flow/filter/place.ts";
import { LinkType } from "#packet/link-type.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { CAPTURES, capturesSkipped } from "../support/captures.ts";
import { FILTERS } from "./filter-cases.ts";

const PACKETS_OF_FILE = Number(process.env.METANET_FILTER_PACKETS ?? 6);
const isThorough = process.env.METANET_FILTER_PACKETS !== undefined;
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
  remake(packets);
  return packets;
}

/** Headers of links that no capture has, by the EtherType of what follows: IPv4, IPv6, ARP. */
const HEADERS: readonly (readonly [linkType: number, headers: Readonly<Record<string, string>>])[] = [
  [
    LinkType.linuxCooked2,
    {
      "0800": "0800000000000002000100060102030405060000",
      "86dd": "86dd000000000002000104060102030405060000",
      "0806": "0806000000000002000101060102030405060000",
    },
  ],
  [LinkType.pppEther, { "0800": "1100000504000021", "86dd": "1100000104000057" }],
  [LinkType.loop, { "0800": "00000002", "86dd": "00000018" }],
];

/** Some packets of Ethernet, cut ones among them, on links that no capture has. */
function remake(packets: Map<number, Packet[]>): void {
  for (const { bytes, originalBytes } of packets.get(LinkType.ethernet)?.filter((_, at) => at % 7 === 0) ??
    []) {
    const type = Buffer.from(bytes.subarray(12, 14)).toString("hex");
    for (const [linkType, headers] of HEADERS) {
      const header = headers[type];
      if (header === undefined) continue;
      const copy = new Uint8Array([...Buffer.from(header, "hex"), ...bytes.subarray(14)]);
      packets.get(linkType)?.push({ bytes: copy, originalBytes: Math.max(originalBytes, copy.length) });
    }
  }
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

interface Difference {
  /** Of every link type when not given. */
  readonly linkTypes?: readonly number[];
  readonly filter: RegExp;
  readonly why: string;
  /** Only packets of which less than this was captured are concerned. */
  readonly belowBytes: number;
}

/** Where we decide otherwise, and why that is right. */
const DIFFERENCES: readonly Difference[] = [
  {
    filter: /^100 \/ ip\[1\]/,
    why: "libpcap forgets that a right operand's header must be there: it divides by bytes of what is not IP",
    belowBytes: Number.POSITIVE_INFINITY,
  },
  {
    filter: /^ip\[0 - 1\]/,
    why: "where the IP header begins the packet, we refuse an index in front of it; libpcap makes 4294967295 of it",
    belowBytes: 0,
  },
  {
    filter: /^(?:tcp and \()?port (?:80|http) or/,
    why: "libpcap's optimiser asks for ports in another order, which counts where the second one was cut off",
    // 20 of the longest link's header, 40 of IPv6, 4 of the ports.
    belowBytes: 64,
  },
  {
    linkTypes: [LinkType.pppSerial, LinkType.pppEther],
    filter: /^mpls/,
    why: "libpcap knows MPLS in PPP, but not in PPP over serial lines or over Ethernet, which has the same numbers",
    belowBytes: Number.POSITIVE_INFINITY,
  },
];

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
      const asked = FILTERS.filter((_, index) => isAsked(linkType, index));
      for (const filter of asked) {
        const theirs = askTcpdump(join(folder, `${linkType}.pcap`), filter);
        const difference = compareOne(filter, linkType, own, theirs);
        if (typeof difference === "number") matches += difference;
        else different[filter] = difference;
      }
      context.diagnostic(`${own.length} packets, ${asked.length} filters, ${matches} matches`);
      assert.deepEqual(different, {});
      return undefined;
    });
  }
});

/** All filters of Ethernet; of the others, which share the rest with it, a third that differs from type to type. */
function isAsked(linkType: number, index: number): boolean {
  const turn = FILTER_LINK_TYPES.indexOf(linkType);
  return linkType === LinkType.ethernet || isThorough || index % 3 === turn % 3;
}

/** How many match, or in what we differ without a reason. */
function compareOne(
  filter: string,
  linkType: number,
  packets: readonly Packet[],
  theirs: ReadonlySet<number> | string,
): number | string {
  const known = DIFFERENCES.find(
    (one) => one.linkTypes?.includes(linkType) !== false && one.filter.test(filter),
  );
  let matches: PacketFilter;
  try {
    matches = compileFilter(filter, { linkType });
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    return typeof theirs === "string" || known !== undefined ? 0 : `we refuse it: ${error.message}`;
  }
  if (typeof theirs === "string") return known === undefined ? `tcpdump refuses it: ${theirs}` : 0;
  const machine = new BpfMachine(assembleFilter(filter, { linkType, snapLengthBytes: SNAP_LENGTH_BYTES }));
  const wrong: number[] = [];
  for (const [index, { bytes, originalBytes }] of packets.entries()) {
    const mine = matches(bytes, 0, bytes.length, originalBytes);
    const machines = machine.run(bytes, 0, bytes.length, originalBytes) > 0;
    assert.equal(mine, machines, `${filter}: the function and the program differ on packet ${index}`);
    if (mine !== theirs.has(index) && !(bytes.length < (known?.belowBytes ?? 0))) wrong.push(index);
  }
  return wrong.length === 0 ? theirs.size : `${wrong.length} packets, the first is ${wrong[0]}`;
}
