import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatHex, parseHex } from "#base/hex.ts";
import { ip } from "#base/ip-address.ts";
import {
  CONNTRACK_NEW,
  ConntrackStatus,
  decodeConntrack,
  encodeConntrackGet,
  encodeConntrackList,
  encodeConntrackSetMark,
  invertTuple,
  isTrackedIcmp,
  readConntrackMark,
  readConntrackStatus,
  tupleKey,
} from "./conntrack.ts";
import { decodeNetlinkAttributes, decodeNetlinkMessages, NetlinkFlag, NetlinkWriter } from "./netlink.ts";

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

test("encodeConntrackGet() and decodeConntrack() have ICMP's identifier, type and code in place of ports", () => {
  for (const [protocol, from, to, types] of [
    [1, "10.0.0.1", "10.0.0.2", [8, 0]],
    [58, "fd00::1", "fd00::2", [128, 129]],
  ] as const) {
    const icmp = { type: types[0], code: 0, id: 0x1234 };
    const tuple = { source: ip(from), target: ip(to), protocol, icmp };
    const [message] = decodeNetlinkMessages(encodeConntrackGet(7, tuple)) ?? [];
    assert.equal(message?.flags, NetlinkFlag.request);
    const [original] = decodeNetlinkAttributes(message?.body.subarray(4) ?? new Uint8Array()) ?? [];
    assert.ok(original);
    const reply = new NetlinkWriter().attribute(2, original.value).finish();
    const both = Uint8Array.from([...(message?.body.subarray(4) ?? []), ...reply]);
    assert.deepEqual(decodeConntrack(both)?.original, tuple);
    assert.equal(invertTuple(tuple).icmp?.type, types[1]);
    assert.deepEqual(invertTuple(invertTuple(tuple)), tuple);
  }
});

test("isTrackedIcmp() is true for queries and their answers, each in its version", () => {
  const types = (protocol: number): number[] =>
    Array.from({ length: 256 }, (_, type) => type).filter((type) => isTrackedIcmp(protocol, type));
  assert.deepEqual(types(1), [0, 8, 13, 14, 15, 16, 17, 18]);
  assert.deepEqual(types(58), [128, 129, 139, 140]);
});

test("tupleKey() is the same for equal tuples only", () => {
  const [one, two] = [UDP4, UDP6].map((bytes) => decodeConntrack(bytes)?.original);
  assert.ok(one && two);
  const others = [two, invertTuple(one), { ...one, sourcePort: 1 }, { ...one, protocol: 6 }];
  for (const other of others) assert.notEqual(tupleKey(other), tupleKey(one));
  assert.equal(tupleKey({ ...one }), tupleKey(one));
});

test("encodeConntrackList() chooses by status", () => {
  const [message] = decodeNetlinkMessages(encodeConntrackList(7, 0x30)) ?? [];
  assert.equal(message?.flags, NetlinkFlag.request | NetlinkFlag.dump);
  assert.equal(formatHex(message?.body ?? new Uint8Array()), "00000000080003000000003008001a0000000030");
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
