import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { instant, seconds } from "#base/time.ts";
import { build } from "#packet/build.ts";
import { ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { LinkType } from "#packet/link-type.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import { LayerDecoder } from "../layers/decode.ts";
import { Layers } from "../layers/layers.ts";
import type { FragmentPolicy } from "../policy.ts";
import { type FragmentOptions, FragmentTable } from "./fragment-table.ts";
import type { Reassembled } from "./reassembled.ts";

const LIMITS = { fragmentCountMax: 100, fragmentBytesMax: 100_000, fragmentsPerDatagramMax: 64 };
const ends = { source: "10.0.0.1", destination: "10.0.0.2" } as const;
const ends6 = { source: "fd00::1", destination: "fd00::2" } as const;
const START = instant(1_700_000_000_000);
const decoder = new LayerDecoder({
  tunnels: true,
  key: { vlan: true, tunnel: true },
  verifyIpChecksum: true,
});

interface Fragment {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly isLast?: boolean;
  readonly id?: number;
  readonly protocol?: number;
  readonly version?: 4 | 6;
  readonly vlan?: number;
  readonly timeToLive?: number;
  readonly options?: Uint8Array;
}

function frameOf({ offset, data, isLast = false, id = 1, protocol = 17, ...more }: Fragment): Uint8Array {
  const tags = more.vlan === undefined ? [] : [vlan.header({ identifier: more.vlan })];
  const timeToLive = more.timeToLive ?? 64;
  if (more.version === 6) {
    const header = new Uint8Array(8);
    const view = new DataView(header.buffer);
    view.setUint8(0, protocol);
    view.setUint16(2, offset | (isLast ? 0 : 1));
    view.setUint32(4, id);
    const address = ipv6.header({ ...ends6, nextHeader: 44, hopLimit: timeToLive });
    return build(ethernet.header({}), ...tags, address, header, data).toBytes();
  }
  const place = { fragmentOffset: offset / 8, moreFragments: !isLast, identification: id, protocol };
  const address = ipv4.header({ ...ends, ...place, timeToLive }, more.options);
  return build(ethernet.header({}), ...tags, address, data).toBytes();
}

function tableOf(options: Partial<FragmentOptions> = {}): FragmentTable {
  return new FragmentTable({ policy: "first", limits: LIMITS, timeout: seconds(30), ...options });
}

function addTo(
  table: FragmentTable,
  fragment: Fragment,
  after = 0,
  capturedBytes?: number,
): Reassembled | undefined {
  const frame = frameOf(fragment);
  const layers = new Layers();
  const view = new DataView(frame.buffer);
  const captured = capturedBytes ?? frame.length;
  assert.ok(decoder.decode(layers, frame, view, 0, captured, frame.length, LinkType.ethernet));
  assert.ok(layers.isFragment);
  return table.add(layers, instant(START + after));
}

/** The data of a whole datagram, by the headers that were made for it. */
function dataOf(whole: Reassembled | undefined): Uint8Array | undefined {
  if (whole === undefined) return undefined;
  const layers = new Layers();
  // What is behind the header is not always a datagram of UDP: only the IP header is believed.
  decoder.decodeWhole(layers, whole);
  assert.ok(layers.problem !== "not-ip" && layers.problem !== "bad-ip-checksum");
  const headerBytes = (whole.bytes[0] as number) >> 4 === 4 ? ((whole.bytes[0] as number) & 15) * 4 : 40;
  return whole.bytes.subarray(headerBytes);
}

const letters = (text: string): Uint8Array =>
  Uint8Array.from([...text].flatMap((letter) => new Array<number>(8).fill(letter.charCodeAt(0))));
const text = (data: Uint8Array | undefined): string =>
  data === undefined ? "-" : String.fromCharCode(...data.filter((_, at) => at % 8 === 0));

/**
 * The fragments of Novak's paper: a letter for 8 bytes, in the order of their coming; and what each target makes of them.
 */
const PATTERN: readonly (readonly [letter: string, offset: number, units: number])[] = [
  ["A", 0, 3],
  ["B", 32, 2],
  ["C", 48, 3],
  ["D", 80, 1],
  ["E", 104, 2],
  ["F", 120, 3],
  ["G", 144, 2],
  ["H", 160, 2],
  ["I", 176, 1],
  ["J", 8, 4],
  ["K", 48, 3],
  ["L", 72, 3],
  ["M", 96, 3],
  ["N", 128, 1],
  ["O", 152, 1],
  ["P", 160, 1],
  ["Q", 176, 2],
];
const RESULTS: Readonly<Record<FragmentPolicy, string>> = {
  first: "AAAJBBCCCLDLMEEFFFGGHHIQ",
  last: "AJJJJBKKKLLLMMMFNFGOPHQQ",
  bsd: "AAAJJBCCCLLLMMMFFFGGHHIQ",
  // Of the mirrored rule: the fragment that begins further right.
  "bsd-right": "AJJJBBKKKLDLMEEFNFGOPHQQ",
  linux: "AAAJJBKKKLLLMMMFFFGGPHQQ",
  windows: "AAAJBBCCCLLLMEEFFFGGHHIQ",
  solaris: "AAAJBBCCCLLLMMMFFFGGHHIQ",
};
/** The one of Shankar and Paxson, with their results. */
const SHORT: readonly (readonly [letter: string, offset: number, units: number])[] = [
  ["1", 0, 3],
  ["2", 32, 2],
  ["3", 48, 3],
  ["4", 8, 4],
  ["5", 48, 3],
  ["6", 72, 3],
];
const SHORT_RESULTS: Readonly<Partial<Record<FragmentPolicy, string>>> = {
  first: "111422333666",
  last: "144442555666",
  bsd: "111442333666",
  "bsd-right": "144422555666",
  linux: "111442555666",
};

describe("FragmentTable policies", () => {
  for (const version of [4, 6] as const) {
    for (const policy of Object.keys(RESULTS) as FragmentPolicy[]) {
      it(`FragmentTable makes of Novak's pattern what a target with policy ${policy} makes, IPv${version}`, () => {
        for (const [pattern, expected] of [
          [PATTERN, RESULTS[policy]],
          [SHORT, SHORT_RESULTS[policy]],
        ] as const) {
          if (expected === undefined) continue;
          const table = tableOf({ policy, overlaps: "resolve" });
          let whole: Reassembled | undefined;
          for (const [index, [letter, offset, units]] of pattern.entries()) {
            const isLast = index === pattern.length - 1;
            const data = letters(letter.repeat(units));
            whole = addTo(table, { offset, data, isLast, version, protocol: 253 });
            assert.equal(whole !== undefined, isLast);
          }
          assert.equal(text(dataOf(whole)), expected);
          assert.equal(whole?.hadDifferences, true);
          assert.ok(table.statistics.differentCount > 0);
          assert.deepEqual([table.datagramCount, table.fragmentCount, table.heldBytes], [0, 0, 0]);
        }
      });
    }
  }
});

describe("FragmentTable.add()", () => {
  it("FragmentTable.add() mends the headers of IPv4: the first fragment's options, length, checksum", () => {
    const table = tableOf();
    const last = { offset: 8, data: letters("B"), isLast: true, timeToLive: 3 };
    assert.equal(addTo(table, last), undefined);
    const whole = addTo(table, { offset: 0, data: letters("A"), options: Uint8Array.of(1, 1, 1, 0) });
    assert.ok(whole !== undefined);
    assert.deepEqual([whole.lengthBytes, whole.view.getUint16(2), whole.view.getUint16(6)], [40, 40, 0]);
    assert.deepEqual([whole.bytes[0], whole.bytes[8], whole.fragmentCount], [0x46, 64, 2]);
    assert.equal(text(dataOf(whole)), "AB");
    assert.equal(table.statistics.hopLimitChangeCount, 1);
  });

  it("FragmentTable.add() gives back the datagram with its ports, VLAN and payload, IPv4 and IPv6", () => {
    for (const version of [4, 6] as const) {
      const first = version === 4 ? ipv4.header(ends) : ipv6.header(ends6);
      const whole = build(first, udp.header({ sourcePort: 5, destinationPort: 6 }), letters("XYZ")).toBytes();
      const data = whole.subarray(version === 4 ? 20 : 40);
      const table = tableOf();
      const parts = { version, vlan: 9 } as const;
      addTo(table, { ...parts, offset: 0, data: data.subarray(0, 16) });
      const given = addTo(table, { ...parts, offset: 16, data: data.subarray(16), isLast: true });
      assert.ok(given !== undefined);
      const layers = new Layers();
      assert.ok(decoder.decodeWhole(layers, given));
      assert.deepEqual(
        [layers.version, layers.sourcePort, layers.targetPort, layers.payloadBytes, layers.isFragment],
        [version, 5, 6, 24, false],
      );
      assert.deepEqual([layers.vlan, layers.encapsulation], [9, 9]);
    }
  });

  it("FragmentTable.add() keeps datagrams of other ids, protocols, VLANs and versions apart", () => {
    const table = tableOf();
    const one = { offset: 0, data: letters("A") };
    addTo(table, one);
    for (const other of [{ id: 2 }, { protocol: 6 + 200 }, { vlan: 3 }, { version: 6 as const }]) {
      assert.equal(addTo(table, { ...one, ...other, offset: 8, isLast: true }), undefined);
    }
    assert.equal(table.datagramCount, 5);
    // In IPv6 the protocol is none of the key's (RFC 8200).
    const last = { offset: 0, data: letters("A"), version: 6, protocol: 200 } as const;
    assert.ok(addTo(table, last) !== undefined);
  });

  const refusals: readonly (readonly [string, Fragment, string])[] = [
    ["no data", { offset: 8, data: new Uint8Array(0) }, "bad-length"],
    ["a part of 8 bytes that is not the last", { offset: 0, data: new Uint8Array(20) }, "bad-length"],
    ["an end beyond 65 535", { offset: 65_512, data: new Uint8Array(64), isLast: true }, "too-long"],
    ["a TCP header that is not whole", { offset: 0, data: new Uint8Array(16), protocol: 6 }, "tiny"],
    ["a begin inside of TCP's header", { offset: 8, data: new Uint8Array(16), protocol: 6 }, "tiny"],
  ];
  for (const [name, fragment, outcome] of refusals) {
    for (const version of [4, 6] as const) {
      it(`FragmentTable.add() refuses a fragment with ${name}, IPv${version}`, () => {
        const table = tableOf();
        assert.equal(addTo(table, { ...fragment, version }), undefined);
        assert.equal(table.outcome, outcome);
        assert.equal(table.statistics.outcomes[table.outcome], 1);
        assert.equal(table.datagramCount, 0);
      });
    }
  }

  it("FragmentTable.add() takes tiny fragments where the options say so", () => {
    const table = tableOf({ tiny: "accept" });
    addTo(table, { offset: 0, data: new Uint8Array(8), protocol: 6 });
    assert.equal(table.outcome, "held");
  });

  it("FragmentTable.add() refuses what the capture has cut", () => {
    const table = tableOf();
    addTo(table, { offset: 0, data: new Uint8Array(64) }, 0, 60);
    assert.equal(table.outcome, "truncated");
  });

  it("FragmentTable.add() with policy linux cuts IPv4 fragments to 8 bytes, and drops datagrams with two ends", () => {
    const table = tableOf({ policy: "linux" });
    addTo(table, { offset: 0, data: new Uint8Array(20) });
    assert.deepEqual([table.outcome, table.heldBytes], ["held", 16]);
    // Teardrop: the second fragment ends inside of the first.
    addTo(table, { offset: 0, data: new Uint8Array(32), id: 2 });
    addTo(table, { offset: 24, data: new Uint8Array(4), id: 2, isLast: true });
    assert.equal(table.outcome, "end-conflict");
    addTo(table, { offset: 32, data: new Uint8Array(4), id: 2, isLast: true });
    assert.equal(table.outcome, "given-up");
  });

  it("FragmentTable.add() with the other policies keeps to the end that was told first", () => {
    const table = tableOf({ policy: "bsd" });
    addTo(table, { offset: 16, data: letters("C") });
    addTo(table, { offset: 0, data: letters("A") });
    const whole = addTo(table, { offset: 8, data: letters("B"), isLast: true });
    assert.equal(text(dataOf(whole)), "AB");
    addTo(table, { offset: 8, data: letters("B"), isLast: true, id: 2 });
    addTo(table, { offset: 16, data: letters("C"), id: 2 });
    assert.equal(table.outcome, "end-conflict");
    assert.equal(text(dataOf(addTo(table, { offset: 0, data: letters("A"), id: 2 }))), "AB");
  });

  it("FragmentTable.add() drops IPv6 datagrams with overlaps, and all their fragments (RFC 5722)", () => {
    const table = tableOf();
    const fragment = { version: 6, data: letters("AB") } as const;
    addTo(table, { ...fragment, offset: 0 });
    addTo(table, { ...fragment, offset: 0 });
    assert.equal(table.outcome, "duplicate");
    addTo(table, { ...fragment, offset: 8 });
    assert.deepEqual([table.outcome, table.heldBytes], ["overlap", 0]);
    addTo(table, { ...fragment, offset: 16, isLast: true });
    assert.equal(table.outcome, "given-up");
    table.expire(instant(START + 30_000));
    assert.deepEqual([table.datagramCount, table.statistics.timeoutCount], [0, 0]);
  });

  it("FragmentTable.add() with overlaps dropped takes a repetition with other bytes for a repetition", () => {
    const table = tableOf({ overlaps: "drop" });
    addTo(table, { offset: 0, data: letters("AB") });
    addTo(table, { offset: 8, data: letters("X") });
    assert.equal(table.outcome, "duplicate");
    assert.equal(table.statistics.differentCount, 1);
    const whole = addTo(table, { offset: 16, data: letters("C"), isLast: true });
    assert.equal(text(dataOf(whole)), "ABC");
    assert.equal(whole?.hadDifferences, true);
  });
});

describe("FragmentTable limits", () => {
  it("FragmentTable.expire() forgets datagrams when their time from the first fragment on is over", () => {
    const table = tableOf();
    addTo(table, { offset: 0, data: letters("A") });
    addTo(table, { offset: 16, data: letters("C") }, 20_000);
    table.expire(instant(START + 29_999));
    assert.equal(table.datagramCount, 1);
    addTo(table, { offset: 8, data: letters("B"), id: 2 }, 30_000);
    assert.deepEqual([table.datagramCount, table.heldBytes, table.statistics.timeoutCount], [1, 8, 1]);
  });

  it("FragmentTable lets the oldest datagrams go where fragments or bytes are too many", () => {
    for (const limits of [
      { ...LIMITS, fragmentCountMax: 3 },
      { ...LIMITS, fragmentBytesMax: 24 },
    ]) {
      const table = tableOf({ limits });
      for (let id = 1; id <= 50; id++) addTo(table, { offset: 0, data: letters("A"), id });
      assert.deepEqual([table.datagramCount, table.fragmentCount, table.heldBytes], [3, 3, 24]);
      assert.equal(table.statistics.evictedCount, 47);
      assert.ok(addTo(table, { offset: 8, data: letters("B"), isLast: true, id: 50 }) !== undefined);
    }
  });

  it("FragmentTable refuses a fragment for which there is no room without its own datagram's", () => {
    const table = tableOf({ limits: { ...LIMITS, fragmentBytesMax: 16 } });
    addTo(table, { offset: 0, data: letters("A") });
    addTo(table, { offset: 8, data: letters("BC") });
    assert.deepEqual([table.outcome, table.heldBytes], ["no-room", 8]);
    addTo(table, { offset: 8, data: letters("BCD"), id: 2 });
    assert.equal(table.outcome, "no-room");
  });

  it("FragmentTable gives up a datagram of too many fragments", () => {
    const table = tableOf({ limits: { ...LIMITS, fragmentsPerDatagramMax: 4 } });
    for (let index = 0; index < 5; index++) addTo(table, { offset: index * 16, data: letters("A") });
    assert.deepEqual([table.outcome, table.fragmentCount, table.datagramCount], ["too-many", 0, 1]);
  });

  it("FragmentTable() refuses limits of nothing", () => {
    assert.throws(() => tableOf({ limits: { ...LIMITS, fragmentCountMax: 0 } }), /fragmentCountMax is 0/);
  });
});

describe("FragmentTable and random fragments", () => {
  it("FragmentTable.add() gives back what was cut, whatever the order, repetitions and overlaps", (context) => {
    const seed = Date.now() % 1e9;
    context.diagnostic(`seed ${seed}`);
    const random = new SeededRandom(seed);
    const below = (count: number): number => new DataView(random.bytes(4).buffer).getUint32(0) % count;
    const policies = Object.keys(RESULTS) as FragmentPolicy[];
    for (let round = 0; round < 300; round++) {
      const policy = policies[below(policies.length)] as FragmentPolicy;
      const version = below(2) === 0 ? 4 : 6;
      const data = Uint8Array.from(random.bytes(1 + below(600)));
      const fragments: Fragment[] = [];
      const common = { version, protocol: 253, id: round } as const;
      for (let offset = 0; offset < data.length; ) {
        const end = Math.min(offset + 8 * (1 + below(12)), data.length);
        const from = Math.max(0, offset - 8 * below(3));
        const fragment = {
          ...common,
          offset: from,
          data: data.subarray(from, end),
          isLast: end === data.length,
        };
        for (let count = 1 + Number(below(5) === 0); count > 0; count--) fragments.push(fragment);
        offset = end;
      }
      // One that is all of the datagram is no fragment.
      if (fragments.some(({ offset, isLast }) => offset === 0 && isLast)) continue;
      for (let at = fragments.length - 1; at > 0; at--) {
        const other = below(at + 1);
        const kept = fragments[at] as Fragment;
        fragments[at] = fragments[other] as Fragment;
        fragments[other] = kept;
      }
      const table = tableOf({
        policy,
        overlaps: "resolve",
        limits: { ...LIMITS, fragmentsPerDatagramMax: 500 },
      });
      let whole: Uint8Array | undefined;
      for (const fragment of fragments) whole ??= dataOf(addTo(table, fragment));
      assert.deepEqual(whole, data, `round ${round}, ${policy}, IPv${version}`);
      assert.equal(table.statistics.differentCount, 0);
    }
  });
});
