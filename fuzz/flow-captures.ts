/**
 * Captured traffic of all kinds, spoiled: bytes changed, packets cut, lost, repeated and reordered, through a whole
 * engine with filters, readers and a recorder. Without captures (test/support/captures.ts) a few frames stand for them.
 * @module
 */
import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { milliseconds } from "#base/time.ts";
import { FlowEngine } from "#flow/engine.ts";
import { FilterError } from "#flow/filter/filter-error.ts";
import type { FlowLimits, FlowPolicy } from "#flow/policy.ts";
import { type ConnectionRecord, recordConnections } from "#flow/record/recorder.ts";
import { LinkType } from "#packet/link-type.ts";
import { CaptureReader } from "#wire/capture.ts";
import { MalformedCaptureError } from "#wire/capture-record.ts";
import { CAPTURES, capturesSkipped } from "../test/support/captures.ts";
import { watch } from "./flow-watcher.ts";
import { corpusOf, main, type Target } from "./target.ts";

interface Frame {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly bytes: Uint8Array;
  readonly originalBytes: number;
  readonly linkType: number;
}

/** What happens to a frame of the capture; numbers are taken modulo what there is. */
interface Change {
  readonly at: number;
  readonly what: "lose" | "repeat" | "swap" | "cut" | "spoil" | "jump";
  readonly where: number;
  readonly value: number;
}

interface Run {
  readonly capture: number;
  readonly start: number;
  readonly changes: readonly Change[];
  readonly policy: Partial<FlowPolicy>;
  readonly limits: Partial<FlowLimits>;
  readonly filter: string;
}

/** Larger files cost more time than they are worth here. */
const FILE_BYTES_MAX = 300_000;
const FRAME_COUNT_MAX = 120;
const FILTERS = [
  "",
  "tcp",
  "udp port 53",
  "ip6",
  "vlan or net 10",
  "tcp[tcpflags] & tcp-syn != 0",
  "less 100",
];

const files: readonly string[] =
  capturesSkipped === false
    ? globSync("**/*.{pcap,pcapng,cap}", { cwd: CAPTURES })
        .map((name) => join(CAPTURES, name))
        .filter((path) => statSync(path).size < FILE_BYTES_MAX)
        .sort()
    : [];

const life = fc.record<Run>({
  capture: fc.nat(100_000),
  start: fc.oneof(fc.constant(0), fc.nat(10_000)),
  changes: fc.array(
    fc.record<Change>({
      at: fc.nat(FRAME_COUNT_MAX),
      what: fc.constantFrom("lose", "repeat", "swap", "cut", "spoil", "spoil", "spoil", "jump"),
      where: fc.oneof(fc.nat(80), fc.nat(2000)),
      value: fc.oneof(fc.constantFrom(0, 1, 5, 6, 20, 40, 60, 127, 255), fc.nat(255)),
    }),
    { maxLength: 40 },
  ),
  policy: fc.record({
    overlap: fc.constantFrom("first", "last", "bsd", "linux", "windows", "solaris"),
    fragments: fc.constantFrom("first", "last", "bsd", "bsd-right", "linux", "windows", "solaris"),
    midstream: fc.constantFrom("off", "on", "guess"),
    urgent: fc.constantFrom("inline", "out-of-band", "gap", "drop"),
    conflict: fc.constantFrom("report", "rewrite", "drop"),
    window: fc.constantFrom("advertised", "ignore"),
    checksums: fc.constantFrom("verify", "trust", "trust", "auto"),
    unseen: fc.constantFrom("infer", "refuse"),
    tail: fc.constantFrom("discard", "deliver"),
    duplicates: fc.constantFrom(milliseconds(0), milliseconds(5)),
    oneSidedBytes: fc.constantFrom(16, 16_384),
    tunnels: fc.boolean(),
    key: fc.record({ vlan: fc.boolean(), tunnel: fc.boolean() }),
    hopLimitMin: fc.constantFrom(0, 0, 30),
  }),
  limits: fc.record({
    flowCountMax: fc.constantFrom(2, 50),
    full: fc.constantFrom("evict", "refuse"),
    overrun: fc.constantFrom("oldest", "newest", "stop"),
    streamBytesMax: fc.constantFrom(2048, 1 << 20),
    totalBytesMax: fc.constantFrom(8192, 1 << 20),
    segmentCountMax: fc.constantFrom(3, 512),
    compareBytes: fc.constantFrom(0, 4096),
    fragmentCountMax: fc.constantFrom(3, 4096),
    fragmentBytesMax: fc.constantFrom(3000, 1 << 20),
    fragmentsPerDatagramMax: fc.constantFrom(3, 256),
  }),
  filter: fc.constantFrom(...FILTERS),
});

function framesOf(capture: number): Frame[] {
  const path = files[capture % Math.max(1, files.length)];
  return path === undefined ? madeUp() : readFrames(path);
}

/** The corpora of other targets, as if they were a capture. */
function madeUp(): Frame[] {
  const corpus = corpusOf("packet").concat(corpusOf("layers")).map(parseHex);
  const linkType = LinkType.ethernet;
  return corpus.map((bytes, index) => ({ time: index * 10, bytes, originalBytes: bytes.length, linkType }));
}

function readFrames(path: string): Frame[] {
  const frames: Frame[] = [];
  const reader = new CaptureReader();
  try {
    reader.push(readFileSync(path));
    while (frames.length < 20 * FRAME_COUNT_MAX && reader.next()) {
      const { seconds, nanoseconds, bytes, offset, capturedBytes, originalBytes, linkType } = reader.record;
      frames.push({
        time: seconds * 1000 + nanoseconds / 1e6,
        bytes: bytes.slice(offset, offset + capturedBytes),
        originalBytes,
        linkType,
      });
    }
  } catch (error) {
    if (!(error instanceof MalformedCaptureError)) throw error;
  }
  return frames;
}

function change(frames: Frame[], { at: place, what, where, value }: Change): void {
  const at = place % frames.length;
  const frame = frames[at];
  if (frame === undefined) return;
  switch (what) {
    case "lose":
      frames.splice(at, 1);
      break;
    case "repeat":
      frames.splice(Math.min(frames.length, at + value), 0, frame);
      break;
    case "swap":
      frames.splice(at, 1);
      frames.splice(Math.min(frames.length, at + (value % 8)), 0, frame);
      break;
    case "cut":
      frames[at] = { ...frame, bytes: frame.bytes.slice(0, where % (frame.bytes.length + 1)) };
      break;
    case "jump":
      frames[at] = { ...frame, time: frame.time + (value - 20) * 3000 };
      break;
    default: {
      const bytes = frame.bytes.slice();
      if (bytes.length > 0) bytes[where % bytes.length] = value;
      frames[at] = { ...frame, bytes };
    }
  }
}

function assertRecord(record: ConnectionRecord): void {
  const line = JSON.stringify(record);
  assert.ok(!line.includes("null"), `no number is missing: ${line}`);
  assert.ok(!line.includes("\n"));
  assert.deepEqual(JSON.parse(line), record);
  for (const [name, value] of Object.entries(record)) {
    if (typeof value === "number") assert.ok(value >= 0, `${name} is not negative: ${line}`);
  }
}

function play({ capture, start, changes, policy, limits, filter }: Run): readonly string[] {
  const whole = framesOf(capture);
  const from = start % Math.max(1, whole.length);
  const frames = whole.slice(from, from + FRAME_COUNT_MAX);
  for (const each of changes) if (frames.length > 0) change(frames, each);
  const errors: unknown[] = [];
  const told: string[] = [];
  const engine = new FlowEngine({
    random: new SeededRandom(1),
    policy,
    limits,
    // Not every filter makes sense on every link.
    onError: (_, error) => {
      if (!(error instanceof FilterError)) errors.push(error);
    },
  });
  const common = { told, isHonest: false, isWhole: true, leavesOut: policy.urgent === "out-of-band" };
  watch(engine, { ...common, everyth: 1 }, { filter });
  watch(engine, { ...common, everyth: 2 }, { filter, packets: filter, unreadBytesMax: 100 });
  watch(engine, { ...common, everyth: 1 }, { view: "acked" });
  recordConnections(engine, { filter, tell: assertRecord });
  for (const { time, bytes, originalBytes, linkType } of frames) {
    const seconds = Math.floor(time / 1000);
    engine.handle({
      seconds,
      nanoseconds: Math.round((time - seconds * 1000) * 1e6),
      bytes,
      offset: 0,
      capturedBytes: bytes.length,
      originalBytes,
      linkType,
    });
    const { flows, heldBytes } = engine.statistics;
    assert.ok(flows <= (limits.flowCountMax ?? 0));
    assert.ok(heldBytes <= (limits.totalBytesMax ?? 0));
  }
  engine.close();
  assert.deepEqual([engine.statistics.flows, engine.statistics.heldBytes], [0, 0], "memory comes back");
  if (errors.length > 0) throw errors[0];
  told.push(JSON.stringify(engine.statistics));
  return told;
}

export const flowCaptures: Target<Run> = {
  name: "flow-captures",
  invariant: "spoiled captures end no engine: all memory comes back, records are valid, twice the same",
  corpus: [],
  inputs: life,
  testRounds: 60,
  check(run) {
    assert.deepEqual(play(run), play(run));
  },
};

if (import.meta.main) await main(flowCaptures);
