/**
 * What one engine made of one frame, in a form in which engines can be compared: what left, and what is remembered.
 * @module
 */
import type { SharedMap } from "#script/shared-map.ts";
import type { MapShape } from "#script/shared-map-layout.ts";
import type { TestFrame } from "./frames.ts";

/** `fault` when the script failed; `unseen` where a place does not show such frames to scripts. */
export type SeenVerdict = "drop" | "accept" | "continue" | "redirect" | "fault" | "unseen";

export interface Outcome {
  readonly verdict: SeenVerdict;
  /** The whole frame as it left; empty for one that was dropped. */
  readonly bytes: Uint8Array;
  readonly mark: number;
  /** The script's counters that are not 0, by name. */
  readonly counters: Readonly<Record<string, number>>;
  /** By the maps' names: `key=number` of every live entry, sorted. */
  readonly maps: Readonly<Record<string, readonly string[]>>;
  /** What this frame made the script post to the bus, in its order; see {@link eventText}. */
  readonly events: readonly string[];
}

/** What a script has remembered and told. */
export type OutcomeState = Pick<Outcome, "counters" | "maps" | "events">;

/** One engine with one script loaded, which remembers from frame to frame. */
export interface ScriptRun {
  step(frame: TestFrame): Outcome;
  close(): void;
}

const NOTHING = new Uint8Array(0);

export function unseen(frame: TestFrame, state: OutcomeState): Outcome {
  return { verdict: "unseen", bytes: frame.bytes, mark: frame.mark, ...state };
}

/** An event as a text: its address, and its fields in their order. */
export function eventText(address: string, fields: Readonly<Record<string, unknown>> = {}): string {
  const told = Object.entries(fields).map(([name, value]) => {
    if (value instanceof Uint8Array) return `${name}: ${hex(value)}`;
    if (typeof value === "bigint") return `${name}: ${value}n`;
    // Zeros have no sign here.
    return `${name}: ${typeof value === "number" ? value + 0 : JSON.stringify(value)}`;
  });
  return `${address} { ${told.join(", ")} }`;
}

/** What left: a dropped packet leaves nothing that could differ, and one that leaves elsewhere loses its mark. */
export function left(
  verdict: SeenVerdict,
  parts: { readonly hidden: Uint8Array; readonly bytes: Uint8Array; readonly mark: number },
): Pick<Outcome, "verdict" | "bytes" | "mark"> {
  if (verdict === "drop") return { verdict, bytes: NOTHING, mark: 0 };
  const mark = verdict === "redirect" ? 0 : parts.mark;
  return { verdict, bytes: Uint8Array.from([...parts.hidden, ...parts.bytes]), mark };
}

/**
 * The live entries of a map; zeros have no sign here, and what an array has from the start does not count: a run may
 * not have opened it yet.
 */
export function entriesOf(
  { kind }: Pick<MapShape, "kind">,
  entries: Iterable<readonly [unknown, number]>,
): string[] {
  const seen = [...entries].filter(([, value]) => kind !== "array" || value !== 0);
  return seen.map(([key, value]) => `${key}=${value + 0}`).sort();
}

export function mapsOf(maps: Iterable<SharedMap>): Record<string, readonly string[]> {
  return Object.fromEntries(Array.from(maps, (map) => [map.name, entriesOf(map.shape, map.entries())]));
}

export function countersOf(named: Iterable<readonly [string, number]>): Record<string, number> {
  return Object.fromEntries(
    [...named].filter(([, count]) => count !== 0).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** What is told of two outcomes that differ, a line for each; empty when they agree. */
export function differences(
  expected: Outcome,
  seen: Outcome,
  {
    isCoarse = false,
    hidesMarks = false,
  }: { readonly isCoarse?: boolean; readonly hidesMarks?: boolean } = {},
): string[] {
  const lines: string[] = [];
  const compare = (what: string, one: string, other: string): void => {
    if (one !== other) lines.push(`${what}: ${one} in plain TypeScript, ${other} here`);
  };
  // Places that know only drop and pass cannot tell accept from continue.
  const verdict = ({ verdict: one }: Outcome): string => {
    const told = one === "unseen" ? "continue" : one;
    return isCoarse && told === "accept" ? "continue" : told;
  };
  compare("verdict", verdict(expected), verdict(seen));
  compare("bytes", hex(expected.bytes), hex(seen.bytes));
  if (!hidesMarks) compare("mark", String(expected.mark), String(seen.mark));
  compare("counters", JSON.stringify(expected.counters), JSON.stringify(seen.counters));
  compare("events", expected.events.join("; "), seen.events.join("; "));
  for (const name of new Set([...Object.keys(expected.maps), ...Object.keys(seen.maps)])) {
    compare(`map ${name}`, (expected.maps[name] ?? []).join(" "), (seen.maps[name] ?? []).join(" "));
  }
  return lines;
}

/** Bytes in hexadecimal, and the offset with each 16 of them, so that a difference can be found. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
