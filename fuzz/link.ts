/**
 * Sends an owner the frames of a right conversation, changed, cut, doubled and out of order. The invariant: it
 * answers or ends that link, never throws, and serves a well-behaved client as before.
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { milliseconds } from "#base/time.ts";
import { answer } from "#mailbox/verdict.ts";
import { RUN_DIRECTORY, SimWorld } from "../test/link/sim-world.ts";
import { corpusOf, main, type Target } from "./target.ts";

const read = (path: string): string => readFileSync(join(import.meta.dirname, path), "utf8");

const steps = JSON.parse(read("../test/vectors/conversation.json")) as { from: string; hex: string }[];
const frames = steps.filter((step) => step.from === "client").map((step) => parseHex(step.hex));
const [hello = new Uint8Array(0), ...others] = frames;

const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
const spoiledFrame = fc
  .tuple(fc.constantFrom(...others), fc.array(change, { maxLength: 3 }))
  .map(([frame, changes]) => {
    const spoiled = frame.slice();
    for (const { at, byte } of changes) spoiled[at % spoiled.length] = byte;
    return spoiled;
  });

/** What an attacker sends: mostly a right HELLO, then frames that are nearly right, and sometimes noise. */
const spoiledStream: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.oneof({ weight: 9, arbitrary: spoiledFrame }, { weight: 1, arbitrary: fc.uint8Array() }), {
      maxLength: 12,
    }),
  )
  .map(([greets, rest]) => Uint8Array.from([...(greets ? hello : []), ...rest.flatMap((part) => [...part])]));

interface Attack {
  readonly stream: Uint8Array;
  /** How many bytes are written at a time. */
  readonly chunkBytes: number;
}

async function attack({ stream, chunkBytes }: Attack): Promise<void> {
  const world = new SimWorld();
  const owner = await world.start("dhcpd");
  await owner.bus.provide("/dhcpd/lookup", (message) => answer(message));
  const client = await world.start("good");
  const call = async (n: number): Promise<void> => {
    const to: string = "dhcpd:/dhcpd/lookup";
    const got = await world.settled(client.bus.call(to, { n }));
    assert.equal(got.get("n"), n);
  };
  await call(1);
  const attacker = await world.network
    .transport({ uid: 1000, gid: 1000, pid: 99 })
    .connect({ kind: "unix", path: `${RUN_DIRECTORY}/dhcpd` });
  attacker.start({ onData: () => undefined, onClose: () => undefined });
  for (let at = 0; at < stream.length; at += chunkBytes) {
    attacker.write(stream.slice(at, at + chunkBytes));
    await world.pass(milliseconds(2));
  }
  await call(2);
  attacker.close();
  await world.pass(milliseconds(500));
  await call(3);
  assert.equal(owner.links.describe().length, 1);
}

export const link: Target<Attack> = {
  name: "link",
  invariant: "an owner answers garbage or ends that link, never throws, and serves others as before",
  corpus: corpusOf("link")
    .map(parseHex)
    .flatMap((stream) => [stream.length + 1, 7].map((chunkBytes) => ({ stream, chunkBytes }))),
  inputs: fc.record({ stream: spoiledStream, chunkBytes: fc.integer({ min: 50, max: 500 }) }),
  testRounds: 30,
  check: attack,
};

if (import.meta.main) await main(link);
