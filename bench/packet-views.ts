/**
 * Packet views: decode, read five fields, set one with its checksums, for every packet of a batch, on one core;
 * against a loop over a DataView by hand and the same in C. A protocol that a script declares against the built-in
 * one. And what all that leaves on the heap.
 * @module
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { updateChecksum } from "#base/checksum.ts";
import { build } from "#packet/build.ts";
import { EtherType, ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { Packet } from "#packet/packet.ts";
import { defineProtocol, type Protocol } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import type { View } from "#packet/view.ts";
import { type Measured, measure, type Row, timeRow } from "./measure.ts";

const BATCH = 256;
const SLOT_BYTES = 128;
const LENGTH_BYTES = 60;
/** Packets per second and core that are promised. */
const WANTED_PER_SECOND = 5_000_000;
/** The same where `find` looks for TCP, then for UDP, behind headers of many kinds. */
const WANTED_MIXED_PER_SECOND = 2_000_000;
/** For the reader's orientation: what bounds, checksums that follow and views cost over code made for one purpose. */
const BY_HAND_RATIO_MAX = 8;
const C_RATIO_MAX = 16;
/** Bytes of heap for each packet that count as none: what a collection leaves uneven. */
const HEAP_BYTES_MAX = 0.1;

/** The fields that a script reads and writes here, whoever declared them. */
interface Addressed extends View {
  source: number;
  destination: number;
  timeToLive: number;
}
interface Ported extends View {
  sourcePort: number;
  destinationPort: number;
}

export async function packetViewRows(): Promise<Row[]> {
  const data = batch();
  const packets = { builtIn: new Packet(), own: new Packet(), mixed: new Packet() };
  const mine = ownProtocols();
  const folder = mkdtempSync(join(tmpdir(), "metanet-views-"));
  const program = join(folder, "packet-views");
  const hasCompiler =
    spawnSync("cc", ["-O2", join(import.meta.dirname, "peers/packet-views.c"), "-o", program]).status === 0;
  try {
    const [views, own, byHand, c] = (await measure([
      { name: "metanet", run: (count) => through(packets.builtIn, data, count, ipv4, udp) },
      {
        name: "a script's own protocols",
        run: (count) => through(packets.own, data, count, mine.ip, mine.udp),
      },
      { name: "DataView by hand", run: (count) => throughByHand(data, count) },
      {
        name: "C -O2",
        run: async (count) => {
          if (!hasCompiler) return Number.NaN;
          const rounds = String(Math.max(1, Math.round(count / BATCH)));
          return Number(execFileSync(program, [String(BATCH), rounds], { encoding: "utf8" }).split(" ")[0]);
        },
      },
    ])) as [Measured, Measured, Measured, Measured];
    if (!Number.isInteger(seen)) throw new Error("Cannot measure packet views: what was read is no number");
    const what = "views, decode, read five, set one";
    return [
      rateRow(what, views, WANTED_PER_SECOND),
      rateRow(
        "views, Ethernet, IPv4, IPv6, TCP and UDP mixed",
        await mixed(packets.mixed),
        WANTED_MIXED_PER_SECOND,
      ),
      timeRow(what, views, byHand, BY_HAND_RATIO_MAX),
      ...(hasCompiler ? [timeRow(what, views, c, C_RATIO_MAX)] : []),
      timeRow("protocols declared by a script", own, { ...views, name: "built-in" }, 1.1),
      heapRow(() => through(packets.builtIn, data, 4_000_000, ipv4, udp)),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Packets beside one another in one memory, as a queue's reader has them. */
function batch(): DataView {
  const memory = new Uint8Array(BATCH * SLOT_BYTES);
  for (let index = 0; index < BATCH; index++) {
    const source = 0x0a00_0000 + index;
    const built = build(
      ipv4.header({ source, destination: "192.0.2.1" }),
      udp.header({ sourcePort: 1024 + index, destinationPort: 9 }),
      new Uint8Array(LENGTH_BYTES - 28),
    );
    memory.set(built.toBytes(), index * SLOT_BYTES);
  }
  return new DataView(memory.buffer);
}

let seen = 0;

/** A script's function, over every packet of the batch, again and again. */
function through(
  packet: Packet,
  data: DataView,
  count: number,
  network: Protocol<Addressed>,
  transport: Protocol<Ported>,
): undefined {
  for (let index = 0; index < count; index++) {
    packet.aim(data, (index % BATCH) * SLOT_BYTES, LENGTH_BYTES, EtherType.ipv4);
    const ip = packet.payload(network);
    const datagram = ip?.payload(transport);
    if (ip === undefined || datagram === undefined) continue;
    seen ^= ip.source ^ ip.destination ^ ip.timeToLive ^ datagram.sourcePort ^ datagram.destinationPort;
    ip.source = 0x0a00_0000 + index;
  }
}

/** The same by hand, checks included. */
function throughByHand(data: DataView, count: number): undefined {
  for (let index = 0; index < count; index++) {
    const at = (index % BATCH) * SLOT_BYTES;
    const header = (data.getUint8(at) & 15) * 4;
    const total = data.getUint16(at + 2);
    const isWhole = data.getUint8(at) >> 4 === 4 && header >= 20 && total >= header && total <= LENGTH_BYTES;
    if (!isWhole || data.getUint8(at + 9) !== 17 || (data.getUint16(at + 6) & 0x1fff) !== 0) continue;
    if (total - header < 8) continue;
    const ports = at + header;
    seen ^= data.getUint32(at + 12) ^ data.getUint32(at + 16) ^ data.getUint8(at + 8);
    seen ^= data.getUint16(ports) ^ data.getUint16(ports + 2);
    setSource(data, at, ports, 0x0a00_0000 + index);
  }
}

function setSource(data: DataView, at: number, ports: number, source: number): void {
  const old = data.getUint32(at + 12);
  data.setUint32(at + 12, source);
  let own = updateChecksum(data.getUint16(at + 10), old >>> 16, source >>> 16);
  own = updateChecksum(own, old & 0xffff, source & 0xffff);
  data.setUint16(at + 10, own);
  const before = data.getUint16(ports + 6);
  if (before === 0) return;
  const after = updateChecksum(before, old >>> 16, source >>> 16);
  data.setUint16(ports + 6, updateChecksum(after, old & 0xffff, source & 0xffff) || 0xffff);
}

/** What a script may declare itself: the same two headers. */
function ownProtocols(): { readonly ip: Protocol<Addressed>; readonly udp: Protocol<Ported> } {
  const ip = defineProtocol({
    name: "benchIp",
    fields: {
      version: { at: 0, bits: 4 },
      headerWords: { at: 4, bits: 4 },
      totalLength: { at: 16, bits: 16 },
      fragmentOffset: { at: 51, bits: 13 },
      timeToLive: { at: 64, bits: 8 },
      protocol: { at: 72, bits: 8 },
      source: { at: 96, bits: 32 },
      destination: { at: 128, bits: 32 },
    },
    carriedBy: { packet: EtherType.ipv4 },
    headerBytes: (header) => header.headerWords * 4,
    contentBytes: (header) => header.totalLength,
    accepts: (header) => header.version === 4,
    announces: (header) => (header.fragmentOffset === 0 ? header.protocol : -1),
    checksum: { at: 10, covers: "header" },
    wordChanged: (header, at, old, now) => {
      if (at < 12 || at >= 20 || !header.$has(28, 0)) return;
      const place = header.$start + header.$header + 6;
      const before = header.$data.getUint16(place);
      if (before !== 0) header.$data.setUint16(place, updateChecksum(before, old, now) || 0xffff);
    },
  });
  const datagram = defineProtocol({
    name: "benchUdp",
    fields: { sourcePort: { bits: 16 }, destinationPort: { bits: 16 }, length: { bits: 16 } },
    headerBytes: 8,
    carriedBy: { benchIp: 17 },
    contentBytes: (header) => header.length,
  });
  return { ip, udp: datagram };
}

/** Packets of several kinds in turn, found by `find`. */
async function mixed(packet: Packet): Promise<Measured> {
  const payload = new Uint8Array(20);
  const kinds = [
    build(ethernet.header({}), ipv4.header({ source: 1 }), udp.header({}), payload),
    build(ethernet.header({}), ipv6.header({ source: 1n }), udp.header({}), payload),
    build(ethernet.header({}), ipv4.header({ source: 1 }), tcp.header({}), payload),
    build(ethernet.header({}), ipv6.header({ source: 1n }), tcp.header({}), payload),
  ].map((built) => ({ data: new DataView(built.toBytes().buffer), ...built }));
  const run = (count: number): undefined => {
    for (let index = 0; index < count; index++) {
      const { data, lengthBytes, etherType } = kinds[index & 3] as (typeof kinds)[number];
      packet.aim(data, 0, lengthBytes, etherType);
      const segment = packet.find(tcp);
      if (segment !== undefined) {
        seen ^= segment.sequence ^ segment.window ^ segment.flags ^ segment.sourcePort;
        segment.destinationPort = index & 0xffff;
      } else {
        const datagram = packet.find(udp);
        if (datagram === undefined) continue;
        seen ^= datagram.length ^ datagram.sourcePort;
        datagram.destinationPort = index & 0xffff;
      }
    }
  };
  const [measured] = await measure([{ name: "metanet", run }]);
  return measured as Measured;
}

function rateRow(what: string, measured: Measured, wantedPerSecond: number): Row {
  const perSecond = 1e9 / measured.nanoseconds;
  return {
    what,
    ours: `${(perSecond / 1e6).toFixed(1)} M/s`,
    peer: `${wantedPerSecond / 1e6} M/s wanted`,
    ratio: perSecond / wantedPerSecond,
    target: ">= 1.00 x",
    met: perSecond >= wantedPerSecond,
  };
}

/** By how much the heap has grown for each packet, without any collection in between where that can be had. */
function heapRow(run: () => undefined): Row {
  const packets = 4_000_000;
  run();
  const before = process.memoryUsage();
  run();
  const after = process.memoryUsage();
  const bytes = (after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers) / packets;
  return {
    what: "views, heap for each packet",
    ours: `${bytes.toFixed(3)} B`,
    peer: `${HEAP_BYTES_MAX} B`,
    ratio: bytes / HEAP_BYTES_MAX,
    target: "<= 1.00 x",
    met: bytes <= HEAP_BYTES_MAX,
  };
}
