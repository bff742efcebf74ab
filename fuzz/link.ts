/**
 * Sends an owner the frames of a right conversation, changed, cut, doubled and out of order. The invariant: it
 * answers or ends that link, never throws, and serves a well-behaved client as before.
 *
 *     node fuzz/link.ts SEED ROUNDS
 *
 * Streams that once broke something are in `fuzz/corpus/link.json`, in hexadecimal; the tests play them first.
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

const read = (path: string): unknown => JSON.parse(readFileSync(join(import.meta.dirname, path), "utf8"));

const steps = read("../test/vectors/conversation.json") as { from: string; hex: string }[];
const frames = steps.filter((step) => step.from === "client").map((step) => parseHex(step.hex));
const [hello = new Uint8Array(0), ...others] = frames;

/** Streams that are played before any random one. */
export const CORPUS: readonly Uint8Array[] = (read("corpus/link.json") as string[]).map(parseHex);

const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
const spoiledFrame = fc
  .tuple(fc.constantFrom(...others), fc.array(change, { maxLength: 3 }))
  .map(([frame, changes]) => {
    const spoiled = frame.slice();
    for (const { at, byte } of changes) spoiled[at % spoiled.length] = byte;
    return spoiled;
  });

/** What an attacker sends: mostly a right HELLO, then frames that are nearly right, and sometimes noise. */
export const spoiledStream: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.oneof({ weight: 9, arbitrary: spoiledFrame }, { weight: 1, arbitrary: fc.uint8Array() }), {
      maxLength: 12,
    }),
  )
  .map(([greets, rest]) => Uint8Array.from([...(greets ? hello : []), ...rest.flatMap((part) => [...part])]));

/** Plays one stream against an owner, in chunks of `chunkBytes`. */
export async function attack(stream: Uint8Array, chunkBytes: number): Promise<void> {
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

if (import.meta.main) {
  const seed = Number(process.argv[2] ?? Date.now() % 1e9);
  const numRuns = Number(process.argv[3] ?? 2000);
  process.stdout.write(`seed ${seed}, ${numRuns} rounds\n`);
  const property = fc.asyncProperty(spoiledStream, fc.integer({ min: 1, max: 500 }), attack);
  await fc.assert(property, { seed, numRuns });
}
