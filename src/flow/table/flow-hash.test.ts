import assert from "node:assert/strict";
import { it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { answerOf, layersOf, type PacketEnds } from "../../../test/support/flow-layers.ts";
import { type HashKey, symmetricHash } from "./flow-hash.ts";

const KEY: HashKey = [0x1234_5678, 0x9abc_def0];
const BUCKET_COUNT = 256;

const BASE: PacketEnds = {
  source: { address: 0x0a00_0001, port: 1025 },
  target: { address: 0xc0a8_0001, port: 80 },
};

it("symmetricHash() is the same for both directions, signed or unsigned words", () => {
  const random = new SeededRandom(11);
  for (let round = 0; round < 2000; round++) {
    const packet = randomPacket(random);
    const hash = symmetricHash(layersOf(packet), KEY);
    assert.equal(hash, symmetricHash(answerOf(packet), KEY), JSON.stringify(packet));
    assert.equal(hash, hash | 0);
    const signed = layersOf(packet);
    signed.source3 |= 0;
    signed.target3 |= 0;
    signed.encapsulation |= 0;
    assert.equal(hash, symmetricHash(signed, KEY), JSON.stringify(packet));
  }
});

it("symmetricHash() depends on all that makes a flow, and on nothing else", () => {
  const { source, target } = BASE;
  const packets: PacketEnds[] = [
    BASE,
    { source: { ...source, address: 0x0a00_0002 }, target },
    { source: { ...source, port: 1026 }, target },
    { source: { ...source, port: 80 }, target: { ...target, port: 1025 } },
    { ...BASE, protocol: 17 },
    { ...BASE, encapsulation: 1 },
    { ...BASE, version: 6 },
    { ...BASE, version: 6, encapsulation: 1 },
    { ...BASE, version: 6, source: { ...source, address: [1, 0, 0xffff, 0x0a00_0001] } },
    { ...BASE, version: 6, source: { ...source, address: [0, 1, 0xffff, 0x0a00_0001] } },
  ];
  assert.equal(new Set(packets.map((packet) => symmetricHash(layersOf(packet), KEY))).size, packets.length);
  const later = layersOf(BASE);
  later.sequence = 77;
  later.payloadBytes = 1000;
  assert.equal(symmetricHash(later, KEY), symmetricHash(layersOf(BASE), KEY));
});

it("symmetricHash() spreads neighbouring ports and addresses evenly, by its low and by its high bits", () => {
  const flows: ReadonlyArray<readonly [what: string, packetOf: (index: number) => PacketEnds]> = [
    ["ports", (index) => ({ ...BASE, source: { address: 0x0a00_0001, port: index % 65_536 } })],
    ["addresses", (index) => ({ ...BASE, source: { address: 0x0a00_0000 + index, port: 1025 } })],
    ["VLANs", (index) => ({ ...BASE, encapsulation: index })],
    ["IPv6", (index) => ({ ...BASE, version: 6, target: { address: [0x2001_0db8, index, 0, 1], port: 80 } })],
  ];
  for (const [what, packetOf] of flows) {
    const low = new Uint32Array(BUCKET_COUNT);
    const high = new Uint32Array(BUCKET_COUNT);
    for (let index = 0; index < 65_536; index++) {
      const hash = symmetricHash(layersOf(packetOf(index)), KEY);
      low[hash & 0xff]!++;
      high[hash >>> 24]!++;
    }
    assertEven(low, what);
    assertEven(high, what);
  }
});

it("symmetricHash() makes flows chosen to collide under one key as even as others under another", () => {
  const chosen: PacketEnds[] = [];
  for (let index = 0; chosen.length < 8192; index++) {
    const packet = { ...BASE, source: { address: 0x0a00_0000 + (index >> 16), port: index & 0xffff } };
    if ((symmetricHash(layersOf(packet), KEY) & 0x3f) === 0) chosen.push(packet);
  }
  const counts = new Uint32Array(64);
  for (const packet of chosen) counts[symmetricHash(layersOf(packet), [0x1234_5679, 0x9abc_def0]) & 0x3f]!++;
  assertEven(counts, "chosen");
});

/** Chi squared: its mean is the number of buckets less one, its variance twice that; five deviations are allowed. */
function assertEven(counts: Uint32Array, what: string): void {
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const chi = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
  const freedom = counts.length - 1;
  assert.ok(chi < freedom + 5 * Math.sqrt(2 * freedom), `${what}: ${chi} for ${freedom}`);
}

/** Of few values, so that ends are often equal in part. */
function randomPacket(random: SeededRandom): PacketEnds {
  const version = random.below(2) === 0 ? 4 : 6;
  const word = (): number => [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff][random.below(5)] as number;
  const end = (): PacketEnds["source"] => ({
    address: version === 4 ? word() : [word(), word(), word(), word()],
    port: [0, 80, 0x8000, 0xffff][random.below(4)] as number,
  });
  return { version, source: end(), target: end(), protocol: random.below(256), encapsulation: word() };
}
