/**
 * Runs a script over a capture on a clock that goes by the packets' times: what is put off and what is decided later
 * happens between the packets, in its order, and after the last one the rest runs on.
 * @module
 */
import { UnavailableError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import type { Duration } from "#base/time.ts";
import type { Hook, Packet } from "#packet/packet.ts";
import type { ScriptOptions, SendOptions } from "#script/context.ts";
import type { OnError, ScriptFault } from "#script/engine.ts";
import { type FaultKind, FaultTable } from "#script/faults.ts";
import type { ScriptHost, Settled } from "#script/host.ts";
import { HELD, ScriptJudge, UNCHANGED } from "#script/judge.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { drop, formatVerdict, type Verdict, type VerdictKind } from "#script/verdict.ts";
import type { CaptureRecord } from "#wire/capture-record.ts";
import type { CaptureFile } from "../capture-file.ts";
import { CaptureClock } from "./capture-clock.ts";
import { findPacket, PacketStart } from "./capture-frame.ts";
import type { CaptureOutput, CaptureTime } from "./capture-output.ts";
import type { LoadedModule } from "./modules.ts";
import { scriptUrlPath } from "./place.ts";

/** How long after the last packet the rest is waited for, by the capture's clock. */
export const REST_MAX: Duration = 600_000 as Duration;
/** Wake-ups after the last packet; a script that puts off for ever is ended by this. */
export const REST_COUNT_MAX = 1_000_000;
/** Room behind a packet for what a script puts into it; more makes it move to memory of its own. */
const SLACK_BYTES = 256;

/** What became of one packet, or what a script sent, logged, or did wrong outside of a packet. */
export type CaptureEvent =
  | {
      readonly kind: "packet";
      readonly packet: number;
      readonly time: CaptureTime;
      readonly lengthBytes: number;
      /** `undefined` for one that no script sees: it has no header that the hook knows. */
      readonly verdict: string | undefined;
      readonly mark: number | undefined;
      readonly isChanged: boolean;
      /** Milliseconds it was held; `undefined` when its verdict came at once. */
      readonly held: number | undefined;
      readonly error: Pick<ScriptFault, "kind" | "place" | "message"> | undefined;
    }
  | {
      readonly kind: "sent";
      readonly time: CaptureTime;
      readonly bytes: Uint8Array;
      readonly options: SendOptions;
    }
  | { readonly kind: "log"; readonly time: CaptureTime; readonly text: string }
  | {
      readonly kind: "error";
      readonly time: CaptureTime;
      readonly error: Pick<ScriptFault, "kind" | "place" | "message">;
    };

/** The sum of it all. */
export interface CaptureSummary {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that no script sees. */
  readonly unseen: number;
  readonly verdicts: Readonly<Record<VerdictKind, number>>;
  readonly changed: number;
  readonly held: number;
  readonly sent: number;
  readonly deferred: number;
  readonly errors: number;
  readonly faults: readonly ScriptFault[];
  readonly counters: Readonly<Record<string, number>>;
  /** Seconds from the first packet to the last. */
  readonly duration: number;
  /** What was sent and cannot stand in a capture of this link type. */
  readonly unwritten: number;
  /** Not everything was done {@link REST_MAX} after the last packet. */
  readonly isCutOff: boolean;
}

export interface CaptureRunOptions {
  readonly module: LoadedModule;
  /** The script's name in its identity. */
  readonly name: string;
  /** Packets from their IP header, as netfilter gives them; else from the capture's first header. */
  readonly hook?: Hook | undefined;
  readonly inInterface?: string | undefined;
  readonly onError: OnError;
  readonly seed: number;
  readonly deadline?: Duration | undefined;
  readonly output?: CaptureOutput | undefined;
  readonly tell: (event: CaptureEvent) => void;
}

/** A packet that waits for its verdict. */
interface HeldFrame {
  readonly number: number;
  readonly linkType: number;
  readonly arrived: number;
  readonly originalBytes: number;
  /** What the capture had not kept of it. */
  readonly missingBytes: number;
  /** What stands in front of the packet. */
  readonly prefix: Uint8Array;
  /** As it came, for a script that fails. */
  readonly before: Uint8Array;
}

/** Remembers the last fault, so that it can be told with its packet. */
class LastFault extends FaultTable {
  last: Pick<ScriptFault, "kind" | "place" | "message"> | undefined;

  override add(kind: FaultKind, place: string, message: string, count?: number): void {
    super.add(kind, place, message, count);
    this.last = { kind, place, message };
  }

  take(): Pick<ScriptFault, "kind" | "place" | "message"> | undefined {
    const { last } = this;
    this.last = undefined;
    return last;
  }
}

export class CaptureRun {
  readonly clock: CaptureClock = new CaptureClock();
  readonly #options: CaptureRunOptions;
  readonly #judge: ScriptJudge;
  readonly #faults = new LastFault();
  readonly #held = new Map<number, HeldFrame>();
  readonly #start = new PacketStart();
  #packet: Packet;
  #soon: (() => void)[] = [];
  #scratch = new Uint8Array(4096);
  #scratchView = new DataView(this.#scratch.buffer);
  #number = 0;
  #bytes = 0;
  #unseen = 0;
  #changed = 0;
  #unwritten = 0;
  #firstTime: number | undefined;
  #lastTime = 0;
  #isCutOff = false;

  constructor(options: CaptureRunOptions) {
    this.#options = options;
    const { module, hook, name, onError, seed, deadline } = options;
    this.#judge = new ScriptJudge({
      script: module.run,
      functionName: module.functionName,
      identity: { name, isolate: name, hook },
      host: this.#host(),
      onError,
      seed,
      isOwnFile: (address) => scriptUrlPath(address) !== undefined,
      faults: this.#faults,
      readOnly: module.options.writes === false ? "the script's options say that it writes to none" : "",
      tunnels: module.options.tunnels ?? true,
      ...(deadline === undefined ? {} : { deadline }),
    });
    this.#packet = this.#judge.freshPacket();
  }

  /** Packets taken so far. */
  get packetCount(): number {
    return this.#number;
  }

  /** An error that the script left to nobody. */
  notice(error: unknown): void {
    this.#judge.notice(error);
    this.#tellFault();
  }

  /**
   * Takes the next packets of a capture's piece.
   * @param countMax how many at most
   * @returns how many there were; fewer than `countMax` when the piece has no more
   */
  async takeFrom(capture: CaptureFile, countMax: number): Promise<number> {
    const { output } = this.#options;
    let count = 0;
    for (; count < countMax && capture.next(); count++) {
      const { record } = capture;
      const time = record.seconds * 1000 + record.nanoseconds / 1e6;
      if (this.#mayWait(time)) await this.#runUntil(time);
      this.clock.moveTo(time);
      this.#take(record, time);
      if (this.#soon.length > 0) this.#runSoon();
      if (output?.pending !== undefined) await output.settle();
    }
    return count;
  }

  /** After the last packet: what is still to come, at most {@link REST_MAX}. */
  async finish(): Promise<CaptureSummary> {
    const end = this.clock.now() + REST_MAX;
    let count = 0;
    await turn();
    this.#runSoon();
    for (;;) {
      const next = this.clock.nextTime;
      if (next === undefined) break;
      if (next > end || ++count > REST_COUNT_MAX) {
        this.#isCutOff = true;
        break;
      }
      await this.#step();
    }
    this.#judge.giveUp();
    this.#runSoon();
    await this.#options.output?.settle();
    return this.#summary();
  }

  /** Whether something has to happen before this time, or a promise may have been kept. */
  #mayWait(time: number): boolean {
    const next = this.clock.nextTime;
    return this.#held.size > 0 || (next !== undefined && next <= time);
  }

  async #runUntil(time: number): Promise<void> {
    if (this.#held.size > 0) await turn();
    for (let next = this.clock.nextTime; next !== undefined && next <= time; next = this.clock.nextTime) {
      await this.#step();
    }
  }

  async #step(): Promise<void> {
    this.clock.next();
    this.#runSoon();
    await turn();
    this.#runSoon();
    this.#tellFault();
    await this.#options.output?.settle();
  }

  #runSoon(): void {
    // What runs may ask for more.
    for (let round = 0; this.#soon.length > 0 && round < REST_COUNT_MAX; round++) {
      const actions = this.#soon;
      this.#soon = [];
      for (const action of actions) action();
      this.#tellFault();
    }
  }

  #take(record: CaptureRecord, time: number): void {
    this.#number++;
    this.#bytes += record.originalBytes;
    this.#firstTime ??= time;
    this.#lastTime = time;
    const { hook } = this.#options;
    if (!findPacket(record, hook !== undefined, this.#start)) {
      this.#unseen++;
      this.#options.output?.write([frameBytes(record)], record, record.linkType, missingBytes(record));
      this.#tellPacket(this.#number, record, record.originalBytes, undefined);
      return;
    }
    const packet = this.#aim(record, time);
    const { context } = this.#judge;
    context.$at(this.clock.now());
    const answer = this.#judge.judge(packet, this.#number);
    context.$at(undefined);
    if (answer === HELD) this.#hold(record, time);
    else this.#leave(record, packet, answer);
  }

  #aim(record: CaptureRecord, time: number): Packet {
    const { bytes, offset, capturedBytes, originalBytes } = record;
    const { offsetBytes, etherType } = this.#start;
    const lengthBytes = capturedBytes - offsetBytes;
    if (lengthBytes + SLACK_BYTES > this.#scratch.length) {
      this.#scratch = new Uint8Array(2 * (lengthBytes + SLACK_BYTES));
      this.#scratchView = new DataView(this.#scratch.buffer);
    }
    // A script may write to it and then fail, and the packet goes on as it came.
    this.#scratch.set(bytes.subarray(offset + offsetBytes, offset + capturedBytes));
    const { module, hook, inInterface } = this.#options;
    const seen = seenBytes(module.options, lengthBytes);
    const packet = this.#packet.aim(this.#scratchView, 0, seen, etherType);
    packet.fullLengthBytes = Math.max(originalBytes - offsetBytes, lengthBytes);
    packet.time = time;
    packet.hook = hook;
    packet.inInterface = inInterface ?? "";
    return packet;
  }

  #hold(record: CaptureRecord, time: number): void {
    const { bytes, offset, capturedBytes, originalBytes, linkType } = record;
    const start = offset + this.#start.offsetBytes;
    this.#held.set(this.#number, {
      number: this.#number,
      linkType,
      arrived: time,
      originalBytes,
      missingBytes: missingBytes(record),
      prefix: bytes.slice(offset, start),
      before: bytes.slice(start, offset + capturedBytes),
    });
    this.#packet = this.#judge.freshPacket();
  }

  #leave(record: CaptureRecord, packet: Packet, answer: number): void {
    const isChanged = packet.isChanged && answer !== UNCHANGED;
    const { output } = this.#options;
    if (isChanged) this.#changed++;
    if (output !== undefined && answer !== drop) {
      const { bytes, offset } = record;
      const parts = isChanged
        ? [bytes.subarray(offset, offset + this.#start.offsetBytes), packet.bytes()]
        : [frameBytes(record)];
      output.write(parts, record, record.linkType, missingBytes(record));
    }
    this.#tellPacket(this.#number, record, record.originalBytes, {
      verdict: this.#verdictText(answer),
      mark: packet.isMarkChanged ? packet.mark : undefined,
      isChanged,
      held: undefined,
    });
  }

  /** The verdict of a packet that was held. */
  #settle({ token, packet, verdict, isFault }: Settled): void {
    const frame = this.#held.get(token);
    if (frame === undefined) return;
    this.#held.delete(token);
    const now = timeOf(this.clock.now());
    const isChanged = packet.isChanged && !isFault;
    const { output } = this.#options;
    if (isChanged) this.#changed++;
    if (output !== undefined && verdict !== drop) {
      const parts = [frame.prefix, isChanged ? packet.bytes() : frame.before];
      output.write(parts, now, frame.linkType, frame.missingBytes);
    }
    this.#tellPacket(token, now, frame.originalBytes, {
      verdict: isFault ? this.#options.onError : formatVerdict(verdict),
      mark: packet.isMarkChanged ? packet.mark : undefined,
      isChanged,
      held: this.clock.now() - frame.arrived,
    });
  }

  #verdictText(answer: number): string {
    return answer === UNCHANGED ? this.#options.onError : formatVerdict(answer as Verdict);
  }

  #tellPacket(
    packet: number,
    { seconds, nanoseconds }: CaptureTime,
    lengthBytes: number,
    decided:
      | { verdict: string; mark: number | undefined; isChanged: boolean; held: number | undefined }
      | undefined,
  ): void {
    this.#options.tell({
      kind: "packet",
      packet,
      time: { seconds, nanoseconds },
      lengthBytes,
      verdict: decided?.verdict,
      mark: decided?.mark,
      isChanged: decided?.isChanged ?? false,
      held: decided?.held,
      error: this.#faults.take(),
    });
  }

  /** A fault that belongs to no packet's line. */
  #tellFault(): void {
    const error = this.#faults.take();
    if (error !== undefined) this.#options.tell({ kind: "error", time: timeOf(this.clock.now()), error });
  }

  #host(): ScriptHost {
    const { clock } = this;
    const { tell, seed } = this.#options;
    const maps = new MapDirectory({
      random: new SeededRandom(seed),
      owner: 1,
      time: {
        get now() {
          return clock.now();
        },
      },
    });
    return {
      clock,
      steady: () => 0,
      soon: (action) => void this.#soon.push(action),
      settle: (settled) => this.#settle(settled),
      send: (packets, options) => this.#send(packets, options),
      map: (name, options) => maps.open(name, options),
      bus: {
        post: () => undefined,
        call: () => Promise.reject(new UnavailableError("Cannot call: there is no bus over a capture")),
      },
      log: (text) => tell({ kind: "log", time: timeOf(clock.now()), text }),
      interfaceName: () => "",
      connection: () => undefined,
      sample: () => undefined,
    };
  }

  #send(packets: readonly (readonly Uint8Array[])[], options: SendOptions): number {
    for (const parts of packets) this.#sendOne(Buffer.concat(parts), options);
    return packets.length;
  }

  #sendOne(bytes: Uint8Array, options: SendOptions): void {
    const time = timeOf(this.clock.now());
    const isFrame = options.way === "frame";
    const { output, tell } = this.#options;
    if (output !== undefined && !output.writeSent(bytes, isFrame, time)) this.#unwritten++;
    tell({ kind: "sent", time, bytes, options });
  }

  #summary(): CaptureSummary {
    const { fixed, named } = this.#judge.counters.read();
    const { accept, drop: dropped, continue: goesOn, repeat, queue, mark, later } = fixed;
    return {
      packets: this.#number,
      bytes: this.#bytes,
      unseen: this.#unseen,
      verdicts: { accept, drop: dropped, continue: goesOn, repeat, queue, mark, later },
      changed: this.#changed,
      held: later,
      sent: fixed.sent,
      deferred: fixed.deferred,
      errors: fixed.errors,
      faults: this.#faults.list(),
      counters: Object.fromEntries(named),
      duration: (this.#lastTime - (this.#firstTime ?? this.#lastTime)) / 1000,
      unwritten: this.#unwritten,
      isCutOff: this.#isCutOff,
    };
  }
}

/** A script that says how much it reads sees no more here either. */
function seenBytes({ writes, readBytes }: ScriptOptions, lengthBytes: number): number {
  return writes === false && readBytes !== undefined ? Math.min(readBytes, lengthBytes) : lengthBytes;
}

function frameBytes({ bytes, offset, capturedBytes }: CaptureRecord): Uint8Array {
  return bytes.subarray(offset, offset + capturedBytes);
}

function missingBytes({ originalBytes, capturedBytes }: CaptureRecord): number {
  return originalBytes - capturedBytes;
}

/** To the microsecond: a number of milliseconds since 1970 has no more. */
function timeOf(milliseconds: number): CaptureTime {
  const microseconds = Math.round(milliseconds * 1000);
  const seconds = Math.floor(microseconds / 1_000_000);
  return { seconds, nanoseconds: (microseconds - seconds * 1_000_000) * 1000 };
}

/** One turn of the event loop: promises that can be kept are. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
