/**
 * Runs a script as the user-space engine does: over the columns of a batch.
 * @module
 */

import { FLAG_SEGMENTED } from "#script/columns.ts";
import type { PacketScript } from "#script/context.ts";
import type { ScriptHost } from "#script/host.ts";
import { ScriptRunner } from "#script/runner.ts";
import { QueueColumns } from "#wire/nfqueue-columns.ts";
import { packetOf, type TestFrame } from "./frames.ts";
import {
  countersOf,
  eventText,
  left,
  type Outcome,
  type OutcomeState,
  type ScriptRun,
  type SeenVerdict,
  unseen,
} from "./outcome.ts";
import { TestMaps } from "./plain-run.ts";

/** Bytes in front of a packet in the columns' memory, and behind it. */
const ROOM_BYTES = 256;
const PACKET_BYTES = 4096;
/** A verdict that no run gives, so that one that was not given is seen. */
const UNSET = 0xdead;

/** Scripts that the kernel can run put nothing off. */
const NO_TIMER = { cancel: () => undefined };

export class UserEngineRun implements ScriptRun {
  readonly #maps = new TestMaps();
  readonly #events: string[] = [];
  /** What left elsewhere. */
  #redirected: Uint8Array | undefined;
  readonly #runner: ScriptRunner;
  readonly #columns = new QueueColumns(new Uint8Array(PACKET_BYTES + 2 * ROOM_BYTES), 1);

  constructor(script: PacketScript) {
    const host: ScriptHost = {
      clock: { now: () => this.#maps.time.now, after: () => NO_TIMER },
      steady: () => 0,
      soon: (action) => action(),
      settle: () => undefined,
      send: (packets) => {
        this.#redirected = Uint8Array.from(packets[0]?.flatMap((part) => [...part]) ?? []);
        return packets.length;
      },
      map: this.#maps.open,
      bus: {
        post: (address, fields) => void this.#events.push(eventText(address, fields)),
        call: async () => ({}),
      },
      log: () => undefined,
      interfaceName: () => "",
      connection: () => undefined,
      sample: () => undefined,
    };
    this.#runner = new ScriptRunner({
      script,
      functionName: "case",
      identity: { name: "case", isolate: "case", hook: "prerouting" },
      host,
      onError: "accept",
      tunnels: false,
      seed: 1,
      isOwnFile: () => true,
    });
  }

  step(frame: TestFrame): Outcome {
    this.#maps.move(frame.delay);
    const seen = packetOf(frame.bytes, "network");
    if (seen === undefined) return unseen(frame, this.#state());
    const columns = this.#columns;
    this.#redirected = undefined;
    columns.clear(0, UNSET);
    columns.count = 1;
    columns.bytes.fill(0xa5);
    columns.bytes.set(seen.bytes, ROOM_BYTES);
    columns.offset[0] = ROOM_BYTES;
    columns.lengthBytes[0] = seen.bytes.length;
    columns.fullLengthBytes[0] = seen.bytes.length;
    columns.limit[0] = columns.bytes.length;
    columns.etherType[0] = seen.etherType;
    columns.mark[0] = frame.mark;
    columns.packetFlags[0] = frame.segmentBytes > 0 ? FLAG_SEGMENTED : 0;
    const before = this.#runner.judge.counters.read().fixed;
    this.#runner.run(columns);
    const after = this.#runner.judge.counters.read().fixed;
    const verdict = (["accept", "drop", "continue", "mark"] as const).find(
      (kind) => after[kind] > before[kind],
    );
    const bytes = this.#redirected ?? this.#bytes(seen.bytes);
    const parts = { hidden: seen.hidden, bytes, mark: this.#mark(frame.mark) };
    const told = seenVerdict(verdict, columns.verdict[0] ?? UNSET);
    const isElsewhere = told === "drop" && this.#redirected !== undefined;
    return { ...left(isElsewhere ? "redirect" : told, parts), ...this.#state() };
  }

  #bytes(before: Uint8Array): Uint8Array {
    const { newLengthBytes, newOffset, bytes } = this.#columns;
    const length = newLengthBytes[0] ?? 0;
    const start = newOffset[0] ?? 0;
    return length === 0 ? before : bytes.slice(start, start + length);
  }

  #mark(before: number): number {
    const { changes, newMark } = this.#columns;
    return ((changes[0] ?? 0) & 1) === 0 ? before : (newMark[0] ?? 0);
  }

  #state(): OutcomeState {
    const counters = countersOf(this.#runner.judge.counters.read().named);
    return { counters, maps: this.#maps.read(), events: this.#events.splice(0) };
  }

  close(): void {
    this.#runner.judge.giveUp();
  }
}

/** The judge's count and what the kernel would be told must say the same. */
function seenVerdict(
  counted: "accept" | "drop" | "continue" | "mark" | undefined,
  told: number,
): SeenVerdict {
  if (counted === "drop" && told === 0) return "drop";
  if (counted === undefined || told !== 1) return "fault";
  return counted === "mark" ? "continue" : counted;
}
