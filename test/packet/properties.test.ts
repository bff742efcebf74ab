/**
 * What holds for every packet: changes bring checksums along that are the same as those reckoned anew.
 * @module
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { Packet } from "#packet/packet.ts";
import type { Protocol } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { sumOfChecked, verifyChecksum } from "#packet/verify.ts";
import type { View } from "#packet/view.ts";
import { below, randomBytes, randomField, randomPacket, randomValue, viewsOf } from "./random-packet.ts";

const ROUNDS = Number(process.env.PACKET_ROUNDS ?? 3000);
const seed = Date.now() % 1e9;

/** What each header's checksum lacks to be right, which no change may alter; 0 where there is none. */
function residues(bytes: Uint8Array, etherType: number, stack: readonly Protocol[]): number[] {
  const copy = Uint8Array.from(bytes);
  const packet = new Packet().aim(new DataView(copy.buffer), 0, copy.length, etherType);
  return viewsOf(packet, stack).map((view) => {
    if (verifyChecksum(view) === "none") return 0;
    return sumOfChecked(view) % 0xffff;
  });
}

/** Does one thing to a packet; what it did, for the message. */
function change(random: SeededRandom, packet: Packet, stack: readonly Protocol[]): string {
  const views = viewsOf(packet, stack);
  const view = views[below(random, views.length)] as View;
  const { name } = view.$of;
  const payload = views.at(-1)?.payload() as View;
  const within = below(random, payload.lengthBytes + 1);
  switch (below(random, 8)) {
    case 0: {
      const bytes = randomBytes(random, below(random, payload.lengthBytes - within + 1));
      payload.write(within, bytes);
      return `write ${within} ${bytes.length}`;
    }
    case 1:
      payload.slice(within)?.fill(below(random, 256), 0, below(random, payload.lengthBytes - within + 1));
      return `fill ${within}`;
    case 2: {
      const remove = below(random, payload.lengthBytes - within + 1);
      const insert = randomBytes(random, below(random, 30));
      const done = payload.splice(within, remove, insert);
      return `splice at ${within} of the payload: -${remove} +${insert.length}: ${done}`;
    }
    case 3: {
      const options = views.find((one) => one.$of === (tcp as Protocol) || one.$of === (ipv4 as Protocol));
      const kind = below(random, 12);
      const data = randomBytes(random, below(random, 12));
      const done = (options as View & { setOption(kind: number, data: Uint8Array): boolean })?.setOption(
        kind,
        data,
      );
      return `${options?.$of.name} option ${kind}, ${data.length} bytes: ${done}`;
    }
    default: {
      const field = randomField(random, view);
      if (field === undefined) return "nothing";
      const fields = view as unknown as Record<string, unknown>;
      const value = randomValue(random, fields[field]);
      if (value !== undefined) fields[field] = value;
      return `${name}.${field} = ${value}`;
    }
  }
}

describe("checksums", () => {
  it(`follow every change as if they were reckoned anew (seed ${seed})`, () => {
    for (let round = 0; round < ROUNDS; round++) {
      const random = new SeededRandom(seed + round);
      const { built, stack } = randomPacket(random);
      const names = stack.map(({ name }) => name).join(" ");
      const packet = built.toPacket();
      const right = residues(packet.bytes(), built.etherType, stack);
      assert.deepEqual(new Set(right), new Set([0]), `seed ${seed + round}: ${names}`);
      // A checksum that is wrong must stay as wrong: nobody may repair what a sender broke.
      const isBroken = below(random, 3) === 0;
      if (isBroken) breakOne(random, packet, stack);
      const before = residues(packet.bytes(), built.etherType, stack);
      const held = viewsOf(packet, stack);
      for (let count = 0; count < 4; count++) {
        const what = change(random, packet, stack);
        const now = residues(packet.bytes(), built.etherType, stack);
        assert.deepEqual(now, before, `seed ${seed + round}: ${names}: ${what}`);
        const fresh = new Packet().aim(packet.$data, packet.$start, packet.lengthBytes, built.etherType);
        const places = viewsOf(fresh, stack).map(placeOf);
        assert.deepEqual(held.map(placeOf), places, `seed ${seed + round}: ${names}: ${what}`);
      }
    }
  });
});

/** Views that were aimed before a change are where a new look finds the headers. */
function placeOf({ offsetBytes, headerBytes, lengthBytes }: View): readonly number[] {
  return [offsetBytes, headerBytes, lengthBytes];
}

/** Spoils one checksum, past the views. */
function breakOne(random: SeededRandom, packet: Packet, stack: readonly Protocol[]): void {
  const views = viewsOf(packet, stack).filter((view) => verifyChecksum(view) === "good");
  const view = views[below(random, views.length)];
  if (view?.$of.checksum === undefined) return;
  packet.$data.setUint16(view.$start + view.$of.checksum.at, 1 + below(random, 0xfffe));
}
