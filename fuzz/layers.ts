/**
 * Frames as any machine can send them, of every link type, and what they say are fragments.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { instant, seconds } from "#base/time.ts";
import { FragmentTable } from "#flow/fragment/fragment-table.ts";
import { LayerDecoder } from "#flow/layers/decode.ts";
import { Layers } from "#flow/layers/layers.ts";
import type { FragmentPolicy } from "#flow/policy.ts";
import { LinkType } from "#packet/link-type.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

/** Some frames, one after the other. */
interface Frames {
  readonly frames: readonly Uint8Array[];
  readonly linkType: number;
  readonly policy: FragmentPolicy;
  readonly overlaps: "resolve" | "drop";
}

const corpus = corpusOf("packet").map(parseHex).concat(corpusOf("layers").map(parseHex));
/** Bytes around the frame that are nobody's. */
const MARGIN_BYTES = 300;
const LIMITS = { fragmentCountMax: 8, fragmentBytesMax: 1000, fragmentsPerDatagramMax: 4 };
const POLICIES = ["first", "last", "bsd", "bsd-right", "linux", "windows", "solaris"] as const;
const decoder = new LayerDecoder({
  tunnels: true,
  key: { vlan: true, tunnel: true },
  verifyIpChecksum: false,
});

export const layers: Target<Frames> = {
  name: "layers",
  invariant: "no frame throws, nothing is read outside of it, and offsets and fragments stay inside",
  corpus: Object.values(LinkType).map((linkType) => ({
    frames: corpus,
    linkType,
    policy: "linux",
    overlaps: "resolve",
  })),
  inputs: fc.record({
    frames: fc.array(spoiledBytes(corpus), { minLength: 1, maxLength: 12 }),
    linkType: fc.oneof(
      { weight: 3, arbitrary: fc.constant(LinkType.ethernet) },
      { weight: 1, arbitrary: fc.constantFrom(...Object.values(LinkType)) },
    ),
    policy: fc.constantFrom(...POLICIES),
    overlaps: fc.constantFrom("resolve" as const, "drop" as const),
  }),
  testRounds: 150,
  check({ frames, linkType, policy, overlaps }) {
    const table = new FragmentTable({ policy, overlaps, limits: LIMITS, timeout: seconds(30) });
    let now = 0;
    for (const frame of frames) {
      const seen = decode(frame, linkType, 0x00);
      assert.deepEqual(told(decode(frame, linkType, 0xff)), told(seen), "what is outside is not looked at");
      assertInside(seen);
      for (let found = seen, depth = 0; found.problem === "" && found.isFragment; depth++) {
        now += 500;
        const whole = table.add(found, instant(now));
        assert.ok(
          table.fragmentCount <= LIMITS.fragmentCountMax + 1,
          "limits hold, but for one that is split",
        );
        assert.ok(table.heldBytes <= LIMITS.fragmentBytesMax, "limits hold");
        assert.ok(table.datagramCount <= LIMITS.fragmentCountMax, "limits hold");
        if (whole === undefined) break;
        assert.ok(whole.lengthBytes <= 65_535 + 40 && depth < 8);
        found = new Layers();
        if (decoder.decodeWhole(found, whole)) assertInside(found);
      }
    }
    table.expire(instant(now + 60_000));
    assert.deepEqual([table.datagramCount, table.fragmentCount, table.heldBytes], [0, 0, 0]);
  },
};

/** The frame in the middle of a memory full of something else. */
function decode(frame: Uint8Array, linkType: number, around: number): Layers {
  const memory = new Uint8Array(frame.length + 2 * MARGIN_BYTES).fill(around);
  memory.set(frame, MARGIN_BYTES);
  const found = new Layers();
  const view = new DataView(memory.buffer);
  decoder.decode(found, memory, view, MARGIN_BYTES, frame.length, frame.length, linkType);
  return found;
}

/** All that it tells, without the memory. */
function told(found: Layers): object {
  return { ...found, bytes: undefined, view: undefined };
}

function assertInside(found: Layers): void {
  const { frameOffset, frameEnd, networkOffset, networkBytes, payloadOffset, payloadBytes } = found;
  if (found.problem !== "") return;
  assert.ok(networkOffset >= frameOffset && networkOffset + networkBytes <= frameEnd, "the packet");
  assert.ok(payloadOffset > networkOffset, "the payload's begin");
  assert.ok(payloadBytes >= 0 && payloadOffset + payloadBytes <= networkOffset + networkBytes, "the payload");
  assert.equal(found.capturedPayloadBytes, payloadBytes, "a whole frame has all of it");
  assert.ok(found.encapsulation >= 0 && found.encapsulation < 2 ** 31, "the key's number");
}

if (import.meta.main) await main(layers);
