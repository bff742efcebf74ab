import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { decodeNetlinkAttributes, decodeNetlinkMessages, findAttribute, findNested } from "./netlink.ts";
import {
  decodeQueued,
  encodePlainVerdict,
  encodeQueueOpen,
  encodeVerdict,
  PLAIN_VERDICT_BYTES,
  Queued,
  QueueFlag,
  VERDICT_HEADER_BYTES,
} from "./nfqueue.ts";
import { QueueColumns } from "./nfqueue-columns.ts";

/** From the kernel: queue 5, an IPv4 UDP packet of 43 bytes at forward, copy range 40. */
const PACKET4 = parseHex(
  `
  74000000 0003 0000 00000000 00000000  02 00 0005   # 116 bytes, type packet; IPv4, queue 5
  0b00 0100 00000001 0800 02 00                      # header: id 1, EtherType IPv4, hook forward
  0800 0500 00000002  0800 0600 00000003             # in by interface 2, out by 3
  1000 0900 0006 0000 8ec6fed61ebc 0000              # hardware address of six bytes
  0800 0d00 0000002b                                 # 43 bytes long
  2c00 0a00 4500002baf7a40003f11748e0a5b01020a5b0202 0fa00fa00017b8e0 636170747572656420706163`.replace(
    /#.*/g,
    "",
  ),
);

/**
 * Made by hand after the kernel's source: a bridged frame with tag, link-layer header, mark, time and
 * connection.
 */
const BRIDGED = parseHex(
  `
  ac000000 0003 0000 00000000 00000000  07 00 0005   # 172 bytes; bridge, queue 5
  0b00 0100 80000001 0800 00 00                      # id 2147483649, hook prerouting
  0800 0500 00000007  0800 0700 00000008             # in by the bridge 7 and its port 8
  0800 0300 deadbeef                                 # mark
  1400 1380 0600 0100 8100 0000 0600 0200 2064 0000  # tag: protocol 802.1Q, priority 1, network 100
  1200 1400 020000000002 020000000001 0800 0000      # link-layer header of 14 bytes
  1400 0400 0000000000000064 000000000007a120        # 100.5 seconds
  0c00 0b80 0800 0800 00000011                       # connection with mark 17
  0800 0c00 00000002                                 # which is new
  0800 0e00 00000003                                 # checksum not ready, segmented
  1400 0a00 45000010 00000000 40110000 0a000001`.replace(/#.*/g, ""),
);

function columnsOf(bytes: Uint8Array, before = 0, behind = 0): QueueColumns {
  const slab = new Uint8Array(before + bytes.length + behind);
  slab.set(bytes, before);
  const columns = new QueueColumns(slab, 2);
  columns.clear(0, 1);
  return columns;
}

test("decodeQueued() reads a packet from the kernel into its row", () => {
  const columns = columnsOf(PACKET4, 100);
  assert.equal(decodeQueued(columns, 0, 100, 100 + PACKET4.length), Queued.packet);
  assert.equal(columns.id[0], 1);
  assert.equal(columns.family[0], 2);
  assert.equal(columns.hook[0], 2);
  assert.equal(columns.etherType[0], 0x0800);
  assert.equal(columns.inInterface[0], 2);
  assert.equal(columns.outInterface[0], 3);
  assert.equal(columns.lengthBytes[0], 40);
  assert.equal(columns.fullLengthBytes[0], 43);
  assert.equal(columns.offset[0], 176);
  assert.equal(columns.newOffset[0], 176);
  assert.equal(columns.bytes[176], 0x45);
  assert.equal(formatHex(columns.bytes.subarray(columns.sourceLinkOffset[0]).subarray(0, 6)), "8ec6fed61ebc");
  assert.equal(columns.conntrackState[0], -1);
  assert.equal(columns.vlanTag[0], -1);
});

test("decodeQueued() reads everything that a bridged packet has", () => {
  const columns = columnsOf(BRIDGED);
  assert.equal(decodeQueued(columns, 0, 0, BRIDGED.length), Queued.packet);
  assert.equal(columns.id[0], 2 ** 31 + 1);
  assert.equal(columns.physicalInInterface[0], 8);
  assert.equal(columns.mark[0], 0xdeadbeef);
  assert.equal(columns.vlanTag[0], 0x2064);
  assert.equal(columns.linkHeaderLengthBytes[0], 14);
  assert.equal(columns.bytes[(columns.linkHeaderOffset[0] ?? 0) + 12], 8);
  assert.equal(columns.arrivedMicroseconds[0], 100.5e6);
  assert.equal(columns.conntrackLengthBytes[0], 8);
  assert.equal(columns.conntrackState[0], 2);
  assert.equal(columns.packetFlags[0], 3);
  assert.equal(columns.fullLengthBytes[0], 16);
});

test("decodeQueued() takes a message that was cut off as a packet of which less was captured", () => {
  const columns = columnsOf(PACKET4.subarray(0, -10));
  assert.equal(decodeQueued(columns, 0, 0, PACKET4.length - 10), Queued.packet);
  assert.equal(columns.lengthBytes[0], 30);
  assert.equal(columns.fullLengthBytes[0], 43);
});

test("decodeQueued() tells a refusal, with the id that our message had as its number", () => {
  const refusal = parseHex(
    "24000000 0200 0001 07000000 00000000 feffffff 20000000 0103 0100 07000000 00000000",
  );
  const columns = columnsOf(refusal);
  assert.equal(decodeQueued(columns, 0, 0, refusal.length), Queued.refusal);
  assert.equal(columns.id[0], 7);
  assert.equal(columns.mark[0], 2);
});

describe("decodeQueued() calls malformed", () => {
  const changed = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = PACKET4.slice();
    copy.set(bytes, at);
    return copy;
  };
  const broken: [what: string, bytes: Uint8Array, found: number][] = [
    ["nothing", new Uint8Array(), Queued.malformed],
    ["less than a header", PACKET4.subarray(0, 19), Queued.malformed],
    ["another type", changed(4, 1), Queued.malformed],
    ["a length of less than a header", changed(0, 19), Queued.malformed],
    ["a first attribute without length", changed(20, 0), Queued.malformed],
    ["a packet header that is too short", changed(20, 10), Queued.malformed],
    ["an attribute with a length of three", changed(32, 3), Queued.malformedPacket],
    ["an attribute that reaches beyond the end", changed(32, 0xff), Queued.malformedPacket],
    ["a packet without bytes", PACKET4.subarray(0, 72), Queued.malformedPacket],
  ];
  for (const [what, bytes, found] of broken) {
    test(what, () => {
      const columns = columnsOf(bytes);
      assert.equal(decodeQueued(columns, 0, 0, bytes.length), found);
      if (found === Queued.malformedPacket) assert.equal(columns.id[0], 1);
    });
  }
});

test("decodeQueued() reads nothing outside of the message, whatever is in it", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(115), fc.nat(255), (tail, at, value) => {
      const bytes = Uint8Array.from([...PACKET4.subarray(0, at), value, ...tail]);
      const surrounded = columnsOf(bytes, 64, 64);
      surrounded.bytes.fill(0xa5, 0, 64);
      surrounded.bytes.fill(0xa5, 64 + bytes.length);
      const alone = columnsOf(bytes);
      const found = decodeQueued(alone, 0, 0, bytes.length);
      assert.equal(decodeQueued(surrounded, 0, 64, 64 + bytes.length), found);
      if (found !== Queued.packet) return;
      for (const name of ["id", "mark", "lengthBytes", "fullLengthBytes", "vlanTag", "hook"] as const) {
        assert.equal(surrounded[name][0], alone[name][0]);
      }
      assert.ok((alone.offset[0] ?? 0) + (alone.lengthBytes[0] ?? 0) <= bytes.length);
    }),
  );
});

test("encodePlainVerdict() writes a verdict, with a mark, for one packet or for all up to it", () => {
  const bytes = new Uint8Array(2 * PLAIN_VERDICT_BYTES);
  const view = new DataView(bytes.buffer);
  const plain = { queueNumber: 5, id: 258, verdict: 1, mark: undefined, isBatch: false };
  const middle = encodePlainVerdict(view, 0, plain);
  const end = encodePlainVerdict(view, middle, {
    ...plain,
    verdict: 0x7_0003,
    mark: 0xdeadbeef,
    isBatch: true,
  });
  assert.equal(
    formatHex(bytes.subarray(0, end)),
    formatHex(
      parseHex(`20000000 0103 0100 02010000 00000000 00 00 0005  0c00 0200 00000001 00000102
                28000000 0303 0100 02010000 00000000 00 00 0005  0c00 0200 00070003 00000102 0800 0300 deadbeef`),
    ),
  );
});

test("encodeVerdict() writes all changes in front of the new bytes, over what stood there", () => {
  const columns = columnsOf(BRIDGED, 64, 20);
  assert.equal(decodeQueued(columns, 0, 64, 64 + BRIDGED.length), Queued.packet);
  columns.bytes[columns.linkHeaderOffset[0] ?? 0] = 0x42;
  columns.changes[0] = 7;
  columns.newMark[0] = 5;
  columns.newConntrackMark[0] = 6;
  columns.newLengthBytes[0] = 21;
  const packet = formatHex(columns.bytes.slice(columns.offset[0]).subarray(0, 21));
  const start = encodeVerdict(columns, 0, 5, 0);
  const [message, ...more] =
    decodeNetlinkMessages(columns.bytes.subarray(start, (columns.offset[0] ?? 0) + 21)) ?? [];
  assert.equal(more.length, 0);
  const attributes = decodeNetlinkAttributes(message?.body.subarray(4) ?? new Uint8Array());
  const hexOf = (type: number): string => formatHex(findAttribute(attributes, type) ?? new Uint8Array());
  assert.equal(hexOf(2), "0000000180000001");
  assert.equal(hexOf(3), "00000005");
  assert.equal(hexOf(20), "4200000000020200000000010800");
  assert.equal(hexOf(10), packet);
  assert.equal(formatHex(findAttribute(findNested(attributes, 11), 8) ?? new Uint8Array()), "00000006");
  assert.ok((columns.offset[0] ?? 0) - start <= VERDICT_HEADER_BYTES);
});

test("encodeVerdict() refuses where there is no room in front, and where the packet ends outside", () => {
  const columns = columnsOf(PACKET4);
  decodeQueued(columns, 0, 0, PACKET4.length);
  columns.newLengthBytes[0] = 40;
  assert.equal(encodeVerdict(columns, 0, 5, 0), 76 - 36);
  assert.equal(encodeVerdict(columns, 0, 5, 41), -1);
  columns.newLengthBytes[0] = 41;
  assert.equal(encodeVerdict(columns, 0, 5, 0), -1);
});

test("encodeQueueOpen() sets everything with one message", () => {
  const flags = QueueFlag.failOpen | QueueFlag.segmented;
  const bytes = encodeQueueOpen({ queueNumber: 258, copyRangeBytes: 2048, queueLengthMax: 100, flags });
  assert.equal(
    formatHex(bytes),
    formatHex(
      parseHex(`40000000 0203 0100 00000000 00000000 00 00 0102
                0800 0100 01 00 0000  0900 0200 00000800 02 000000
                0800 0300 00000064  0800 0400 00000005  0800 0500 00000005`),
    ),
  );
});
