import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import {
  CONNTRACK_NEW,
  ConntrackStatus,
  decodeConntrack,
  encodeConntrackSetMark,
  invertTuple,
  readConntrackMark,
  readConntrackStatus,
} from "./conntrack.ts";
import { decodeNetlinkMessages } from "./netlink.ts";

/** From the kernel: UDP from 10.91.1.2:4000 to 10.91.2.2:4000, masqueraded as 10.91.2.1, mark 17. */
const UDP4 = parseHex(
  `34000180 14000180 08000100 0a5b0102 08000200 0a5b0202 1c000280 05000100 11000000 06000200 0fa00000 06000300 0fa00000
   34000280 14000180 08000100 0a5b0202 08000200 0a5b0201 1c000280 05000100 11000000 06000200 0fa00000 06000300 0fa00000
   08000300 00000198 08000800 00000011 08000c00 5f3d9fe0 08000b00 00000001 08000700 0000001d`,
);
/** From the kernel: the same over IPv6. */
const UDP6 = parseHex(
  `4c000180 2c000180 14000300 fd910001000000000000000000000002 14000400 fd910002000000000000000000000002
     1c000280 05000100 11000000 06000200 0fa00000 06000300 0fa00000
   4c000280 2c000180 14000300 fd910002000000000000000000000002 14000400 fd910002000000000000000000000001
     1c000280 05000100 11000000 06000200 0fa00000 06000300 0fa00000
   08000300 00000198 08000800 00000011 08000c00 021d2062 08000b00 00000001 08000700 0000001d`,
);
/** From the kernel: IGMP, which has no ports. */
const IGMP = parseHex(
  `24000180 14000180 08000100 00000000 08000200 e0000016 0c000280 05000100 02000000
   24000280 14000180 08000100 e0000016 08000200 00000000 0c000280 05000100 02000000
   08000300 00000188 08000800 00000000 08000c00 4c214d3c 08000b00 00000001 08000700 00000257`,
);

test("decodeConntrack() reads both directions, state and mark, of IPv4 and IPv6", () => {
  for (const [bytes, client, server, router] of [
    [UDP4, "10.91.1.2", "10.91.2.2", "10.91.2.1"],
    [UDP6, "fd91:1::2", "fd91:2::2", "fd91:2::1"],
  ] as const) {
    const connection = decodeConntrack(bytes);
    const { original, reply } = connection ?? {};
    assert.deepEqual([original?.source, original?.target, reply?.source, reply?.target].map(String), [
      client,
      server,
      server,
      router,
    ]);
    assert.deepEqual([original?.protocol, original?.sourcePort, reply?.targetPort], [17, 4000, 4000]);
    assert.equal(connection?.mark, 17);
    assert.equal(connection?.timeoutSeconds, 29);
    assert.equal(connection?.status, 0x198);
    assert.equal((connection?.status ?? 0) & ConntrackStatus.sourceNat, ConntrackStatus.sourceNat);
    assert.equal(connection?.zone, 0);
  }
});

test("encodeConntrackSetMark() names the connection as the kernel does, and invertTuple() turns it round", () => {
  for (const bytes of [UDP4, UDP6]) {
    const { original } = decodeConntrack(bytes) ?? {};
    assert.ok(original);
    const [message] = decodeNetlinkMessages(encodeConntrackSetMark(7, original, 9)) ?? [];
    assert.equal(message?.type, CONNTRACK_NEW);
    const tupleBytes = bytes.length === UDP4.length ? 52 : 76;
    const { body = new Uint8Array() } = message ?? {};
    assert.equal(formatHex(body.subarray(4, 4 + tupleBytes)), formatHex(bytes.subarray(0, tupleBytes)));
    assert.equal(formatHex(body.subarray(4 + tupleBytes)), "0800080000000009");
    assert.deepEqual(String(invertTuple(original).source), String(original.target));
    assert.deepEqual(invertTuple(invertTuple(original)), original);
  }
});

test("decodeConntrack() leaves out the ports of a protocol without any", () => {
  const { original } = decodeConntrack(IGMP) ?? {};
  assert.deepEqual(
    [original?.protocol, original?.sourcePort, "sourcePort" in (original ?? {})],
    [2, undefined, false],
  );
});

test("decodeConntrack() reads a TCP connection's state and zone, and lacks what is not there", () => {
  const details = parseHex("10000480 0c000180 05000100 03000000 06001200 00090000");
  const connection = decodeConntrack(Uint8Array.from([...UDP4.subarray(0, 104), ...details]));
  const { tcpState, zone, mark, status, id } = connection ?? {};
  assert.deepEqual([tcpState, zone, mark, status, id], [3, 9, 0, 0, undefined]);
});

test("readConntrackMark() and readConntrackStatus() find their number without decoding the rest", () => {
  const view = new DataView(Uint8Array.from([0xff, ...UDP6]).buffer);
  assert.equal(readConntrackMark(view, 1, UDP6.length), 17);
  assert.equal(readConntrackStatus(view, 1, UDP6.length), 0x198);
  assert.equal(readConntrackMark(view, 1, 152), 0);
  assert.equal(readConntrackMark(view, 1, UDP6.length + 1), 0);
  assert.equal(readConntrackMark(view, -1, 4), 0);
});

test("decodeConntrack() gives undefined, and the readers 0, for what is no connection", () => {
  assert.equal(decodeConntrack(new Uint8Array()), undefined);
  assert.equal(decodeConntrack(UDP4.subarray(0, 52)), undefined);
  fc.assert(
    fc.property(fc.nat(UDP4.length - 1), fc.nat(255), fc.nat(UDP4.length), (at, value, end) => {
      const bytes = UDP4.slice(0, end);
      if (at < end) bytes[at] = value;
      decodeConntrack(bytes);
      readConntrackMark(new DataView(bytes.buffer), 0, end);
    }),
  );
});
