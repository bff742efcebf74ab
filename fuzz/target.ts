/**
 * What every target of this folder has: an invariant in one sentence, inputs that once mattered, and a way to make
 * more of them. `fuzz/targets.test.ts` plays the first and a few of the second; for longer, run a target itself:
 *
 *     node fuzz/dhcp4.ts SEED ROUNDS
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";

export interface Target<Input> {
  readonly name: string;
  /** One sentence. */
  readonly invariant: string;
  /** Played before any random one. */
  readonly corpus: readonly Input[];
  readonly inputs: fc.Arbitrary<Input>;
  /** Random inputs that the tests play. */
  readonly testRounds: number;
  /** Throws when the invariant does not hold. */
  check(input: Input): void | Promise<void>;
}

/** The texts of `fuzz/corpus/NAME.json`. */
export function corpusOf(name: string): readonly string[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, "corpus", `${name}.json`), "utf8")) as string[];
}

/** One of the `samples` with up to six changes: bytes set, taken out, put in or repeated; now and then noise. */
export function spoiledBytes(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const bytes = fc.uint8Array({ maxLength: 8 });
  const spoiled = spoil(
    fc.constantFrom(...samples.map((sample) => [...sample])),
    bytes.map((part) => [...part]),
  );
  return fc.oneof(
    { weight: 9, arbitrary: spoiled.map((list) => Uint8Array.from(list)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 600 }).map((noise) => Uint8Array.from(noise)) },
  );
}

/** The same for texts; what is put in are characters of the samples' kind of language and odd ones. */
export function spoiledText(
  samples: readonly string[],
  pieces: readonly string[] = [],
): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.constantFrom("", " ", "\n", "\0", "%", "\u00e4", "\ud800", ...pieces),
    fc.string({ maxLength: 6 }),
  );
  const spoiled = spoil(
    fc.constantFrom(...samples.map((sample) => [...sample])),
    piece.map((text) => [...text]),
  );
  return fc.oneof(
    { weight: 9, arbitrary: spoiled.map((list) => list.join("")) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  );
}

function spoil<T>(sample: fc.Arbitrary<T[]>, inserted: fc.Arbitrary<T[]>): fc.Arbitrary<T[]> {
  const change = fc.record({
    at: fc.nat(),
    taken: fc.oneof(fc.constant(0), fc.nat(3), fc.nat()),
    inserted,
    repeats: fc.nat(2),
  });
  return fc.tuple(sample, fc.array(change, { maxLength: 6 })).map(([given, changes]) => {
    const list = [...given];
    for (const { at, taken, inserted: put, repeats } of changes) {
      const start = at % (list.length + 1);
      const old = list.slice(start, start + (taken % 64));
      list.splice(start, old.length, ...put, ...Array.from({ length: repeats }, () => old).flat());
    }
    return list;
  });
}

/** Plays the corpus, then `rounds` random inputs. */
export async function play<Input>(target: Target<Input>, seed: number, rounds: number): Promise<void> {
  for (const input of target.corpus) await target.check(input);
  const property = fc.asyncProperty(target.inputs, async (input) => target.check(input));
  await fc.assert(property, { seed, numRuns: rounds });
}

/** For a target that is run as a program. */
export async function main<Input>(target: Target<Input>): Promise<void> {
  const seed = Number(process.argv[2] ?? Date.now() % 1e9);
  const rounds = Number(process.argv[3] ?? target.testRounds * 100);
  process.stdout.write(`${target.name}: ${target.invariant}\nseed ${seed}, ${rounds} rounds\n`);
  await play(target, seed, rounds);
}
