/**
 * The flow engine: takes packets, follows the flows they belong to, and tells monitors what happens. It has no clock but
 * the packets' and does nothing between two calls.
 *
 *     const engine = new FlowEngine({ random });
 *     const web = engine.monitor({ filter: "tcp port 80" });
 *     web.on("newData", "none", (flow, event) => { const piece = flow.end(event.sender).read(); });
 *     while (capture.next()) engine.handle(capture.record);
 *     engine.close();
 *
 * @module
 */
import { LimitExceededError } from "#base/errors.ts";
import { LinkType } from "#packet/link-type.ts";
import { Packet } from "#packet/packet.ts";
import { ChecksumJudge } from "./checksums.ts";
import type { FlowCore } from "./core.ts";
import { Delivery } from "./delivery.ts";
import { Dispatcher } from "./dispatcher.ts";
import { DuplicateJudge } from "./duplicates.ts";
import type { FlowEngineOptions, FlowFrame, FlowStatistics } from "./engine-options.ts";
import type { EndReason } from "./event/events.ts";
import * as slots from "./event/slot.ts";
import { FlowClock } from "./flow-clock.ts";
import { FragmentTable } from "./fragment/fragment-table.ts";
import { Filter } from "./frame-filter.ts";
import { LayerDecoder } from "./layers/decode.ts";
import * as layer from "./layers/layers.ts";
import { Layers } from "./layers/layers.ts";
import { FlowMonitor, type MonitorOptions } from "./monitor.ts";
import { FLOW_LIMITS, FLOW_POLICY, type FlowLimits, type FlowPolicy } from "./policy.ts";
import { Inline } from "./rewrite/inline.ts";
import type { Direction } from "./side.ts";
import { countPacket } from "./table/count-packet.ts";
import * as bits from "./table/flags.ts";
import { FlowTable } from "./table/flow-table.ts";
import * as record from "./table/record.ts";
import { timeoutClassOf } from "./table/timeout-class.ts";
import { isReuse, open, openingOf } from "./tcp/opening.ts";
import * as segments from "./tcp/segment.ts";
import { TcpTracker } from "./tcp/tracker.ts";
import { Turn } from "./turn.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Slot } = slots;
const { IpProtocol } = layer;
const { RowFlag, TimeoutClass } = bits;
const { RECORD_WORDS, Word } = record;
const { TcpFlag } = segments;

export type { FlowEngineOptions, FlowFrame, FlowStatistics };

/** Monitors of one engine: a bit of a signed word for each. */
export const MONITOR_COUNT_MAX = 31;

interface MonitorFilters {
  readonly flows: Filter | undefined;
  readonly packets: Filter | undefined;
}

export class FlowEngine {
  readonly #core: FlowCore;
  readonly #table: FlowTable;
  readonly #dispatcher: Dispatcher;
  readonly #delivery: Delivery;
  readonly #tracker: TcpTracker;
  readonly #decoder: LayerDecoder;
  readonly #fragments: FragmentTable;
  readonly #checksums: ChecksumJudge;
  readonly #duplicates: DuplicateJudge;
  /** Whether the policy keeps any packet from the emulated stacks: what nobody asks for is not compiled. */
  readonly #mayBeUnseen: boolean;
  readonly #policy: FlowPolicy;
  readonly #limits: FlowLimits;
  readonly #layers = new Layers();
  readonly #packet = new Packet();
  readonly #filters: MonitorFilters[] = [];
  readonly #clock: FlowClock;
  readonly #turn = new Turn();
  readonly #inline: Inline;
  readonly #options: FlowEngineOptions;
  /** The frame at hand. */
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #offset = 0;
  #capturedBytes = 0;
  #originalBytes = 0;
  #linkType = 0;
  /** Whether there is a packet at hand, and whether {@link #packet} is aimed at it. */
  #hasPacket = false;
  #isAimed = false;
  /** The packet of a queue, which stands for the frame at hand. */
  #given: Packet | undefined;
  /** The flow of the packet at hand; -1 for none. */
  #row = -1;
  #frameCount = 0;
  #otherCount = 0;
  #malformedCount = 0;
  #fragmentCount = 0;
  #seenCount = 0;
  #evictedCount = 0;
  #refusedCount = 0;
  #orphanCount = 0;
  #errorCount = 0;

  constructor(options: FlowEngineOptions) {
    const timeouts = { ...FLOW_POLICY.timeouts, ...options.policy?.timeouts };
    this.#policy = { ...FLOW_POLICY, ...options.policy, timeouts };
    this.#limits = { ...FLOW_LIMITS, ...options.limits };
    this.#options = options;
    const key = new DataView(options.random.bytes(8).slice().buffer);
    const hashKey = [key.getInt32(0), key.getInt32(4)] as const;
    const { attempt, established, closing, closed, udp, icmp, other } = timeouts;
    this.#table = new FlowTable({
      flowCountMax: this.#limits.flowCountMax,
      hashKey,
      timeouts: [attempt, established, closing, closed, udp, icmp, other],
      now: 0,
    });
    this.#dispatcher = new Dispatcher(this.#table);
    this.#delivery = new Delivery(this.#table, this.#dispatcher, this.#policy, this.#limits);
    this.#tracker = new TcpTracker(this.#table, this.#policy, this.#dispatcher, this.#delivery);
    this.#decoder = new LayerDecoder({
      tunnels: this.#policy.tunnels,
      key: this.#policy.key,
      verifyIpChecksum: this.#policy.checksums === "verify",
    });
    this.#fragments = new FragmentTable({
      policy: this.#policy.fragments,
      timeout: timeouts.fragment,
      limits: this.#limits,
      hashKey,
    });
    const { checksums, duplicates, hopLimitMin } = this.#policy;
    this.#checksums = new ChecksumJudge(checksums);
    this.#duplicates = new DuplicateJudge(duplicates);
    this.#mayBeUnseen = checksums !== "trust" || duplicates > 0 || hopLimitMin > 0;
    const { timerCountMax } = this.#limits;
    this.#clock = new FlowClock(this.#table, (row) => this.#end(row, "timeout"), timerCountMax);
    this.#core = this.#makeCore();
    const { output } = options;
    this.#inline = new Inline(this.#core, output === undefined ? undefined : this.#turn.keeping(output));
  }

  /** Follows flows; monitors are told in the order in which they were made, of what servers send in reverse. */
  monitor<Context = unknown>(options: MonitorOptions = {}): FlowMonitor<Context> {
    const { monitors } = this.#dispatcher;
    if (monitors.length >= MONITOR_COUNT_MAX) {
      throw new LimitExceededError(
        `Cannot add a monitor: there are ${MONITOR_COUNT_MAX}; let one listen to more events instead`,
      );
    }
    const refused = (error: unknown): void => this.#core.failed(monitor.name, error, undefined);
    const filterOf = (text: string | undefined): Filter | undefined =>
      text === undefined || text.trim() === "" ? undefined : new Filter(text, refused);
    const filters = { flows: filterOf(options.filter), packets: filterOf(options.packets) };
    const monitor = new FlowMonitor<Context>(this.#core, monitors.length, options);
    this.#filters.push(filters);
    monitors.push(monitor as FlowMonitor<unknown>);
    return monitor;
  }

  /**
   * Takes one frame; times that go back count as the latest before.
   * @returns whether it may go on: no monitor has dropped it
   * @throws EngineBusyError within a callback.
   */
  handle(frame: FlowFrame): boolean {
    this.#turn.begin();
    try {
      const { bytes, offset, capturedBytes, originalBytes, linkType } = frame;
      if (bytes !== this.#bytes) {
        this.#bytes = bytes;
        this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      }
      this.#offset = offset;
      this.#capturedBytes = capturedBytes;
      this.#originalBytes = originalBytes;
      this.#linkType = linkType;
      this.#given = undefined;
      this.#advance(frame.seconds * 1000 + frame.nanoseconds / 1e6);
      return this.#run(
        this.#decoder.decode(this.#layers, bytes, this.#view, offset, capturedBytes, originalBytes, linkType),
      );
    } finally {
      this.#turn.end();
    }
  }

  /**
   * The same for a packet of a queue, which begins with its IP header: monitors may change it through `flow.packet`.
   * Its `time` moves the clock.
   * @throws EngineBusyError within a callback.
   */
  handlePacket(packet: Packet): boolean {
    this.#turn.begin();
    try {
      const isPassing = this.#handlePacket(packet);
      this.#inline.finish(this.#handleHeld);
      return isPassing;
    } finally {
      this.#turn.end();
    }
  }

  readonly #handleHeld = (packet: Packet): boolean => this.#handlePacket(packet);

  #handlePacket(packet: Packet): boolean {
    const { buffer, byteOffset, byteLength } = packet.$data;
    if (this.#view !== packet.$data) {
      this.#view = packet.$data;
      this.#bytes = new Uint8Array(buffer, byteOffset, byteLength);
    }
    this.#offset = packet.$start;
    this.#capturedBytes = packet.lengthBytes;
    this.#originalBytes = packet.fullLengthBytes;
    this.#linkType = LinkType.raw;
    this.#given = packet;
    this.#advance(packet.time);
    const isIp = this.#decoder.decodeNetwork(
      this.#layers,
      this.#bytes,
      this.#view,
      packet.$start,
      packet.lengthBytes,
      packet.fullLengthBytes,
    );
    return this.#run(isIp);
  }

  /**
   * Moves the clock to `now`, milliseconds since 1970: what has timed out until then does so.
   * @throws EngineBusyError within a callback.
   */
  advance(now: number): void {
    this.#turn.begin();
    try {
      this.#advance(now);
    } finally {
      this.#turn.end();
    }
  }

  /**
   * Ends all flows: the input is over. The engine can go on with another.
   * @throws EngineBusyError within a callback.
   */
  close(): void {
    this.#turn.begin();
    try {
      this.#hasPacket = false;
      for (const row of this.#table.rows()) this.#end(row, "end-of-input");
    } finally {
      this.#turn.end();
    }
  }

  /** What has been seen. */
  get statistics(): FlowStatistics {
    return {
      frames: this.#frameCount,
      otherFrames: this.#otherCount,
      malformed: this.#malformedCount,
      badChecksums: this.#checksums.badCount,
      refusedChecksums: this.#checksums.refusedCount,
      duplicates: this.#duplicates.count,
      fragments: this.#fragmentCount,
      flows: this.#table.count,
      flowsSeen: this.#seenCount,
      evicted: this.#evictedCount,
      refused: this.#refusedCount,
      orphans: this.#orphanCount,
      heldBytes: this.#delivery.heldBytes,
      errors: this.#errorCount,
    };
  }

  #advance(now: number): void {
    this.#hasPacket = false;
    this.#row = -1;
    this.#clock.advance(now, this.#dispatcher);
  }

  #run(isIp: boolean): boolean {
    const dispatcher = this.#dispatcher;
    this.#frameCount++;
    this.#hasPacket = isIp;
    this.#isAimed = false;
    dispatcher.isDropped = false;
    dispatcher.isRewritten = false;
    if (dispatcher.wants(Slot.packetNone)) this.#tellFrame(Slot.packetNone);
    if (isIp) this.#follow();
    else if (this.#layers.problem === "not-ip") this.#otherCount++;
    else this.#malformedCount++;
    return !dispatcher.isDropped;
  }

  /** Brings the packet to its flow. */
  #follow(): void {
    const layers = this.#layers;
    if (layers.isFragment) {
      this.#fragmentCount++;
      const whole = this.#fragments.add(layers, this.#dispatcher.now);
      if (whole === undefined || !this.#decoder.decodeWhole(layers, whole)) return;
    }
    if (this.#mayBeUnseen && this.#isUnseen(layers)) {
      if (this.#given !== undefined) this.#inline.skip(layers);
      return;
    }
    const isTcp = layers.protocol === IpProtocol.tcp;
    let row = this.#table.find(layers);
    if (
      isTcp &&
      row >= 0 &&
      (layers.flags & TcpFlag.syn) !== 0 &&
      isReuse(this.#table, this.#tracker, row, layers)
    ) {
      this.#end(row, "reused");
      row = -1;
    }
    this.#dispatcher.isFirst = row < 0;
    if (row < 0) row = isTcp ? this.#addTcp() : this.#add(false, timeoutClassOf(layers.protocol));
    if (row < 0) {
      this.#orphanCount++;
      if (this.#dispatcher.wants(Slot.orphan)) this.#tellFrame(Slot.orphan);
      return;
    }
    const { direction } = this.#table;
    this.#row = row;
    if (isTcp) this.#segment(row, direction);
    else {
      this.#count(row, direction);
      this.#datagram(row, direction);
    }
  }

  /** Whether no emulated stack sees the packet. */
  #isUnseen(layers: Layers): boolean {
    if (layers.hopLimit < this.#policy.hopLimitMin || !this.#checksums.passes(layers)) return true;
    return this.#duplicates.isDuplicate(layers, this.#dispatcher.now);
  }

  #segment(row: number, direction: Direction): void {
    const layers = this.#layers;
    const given = this.#given;
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    if ((flags & RowFlag.rewritten) === 0 || given === undefined) {
      this.#count(row, direction);
      this.#tracker.segment(row, direction, layers);
      return;
    }
    if (!this.#inline.enter(row, direction, layers, given)) return;
    this.#count(row, direction);
    this.#tracker.segment(row, direction, layers);
    this.#inline.depart(row, direction, layers);
  }

  #count(row: number, direction: Direction): void {
    const { numbers } = this.#table;
    const base = row * RECORD_WORDS;
    const lastSeen = (base + Word.lastSeen) >> 1;
    this.#dispatcher.seenBefore = numbers[lastSeen] as number;
    numbers[lastSeen] = this.#dispatcher.now;
    countPacket(this.#table, base, direction, this.#layers);
  }

  /** UDP, ICMP and all others: no state, and what is in a packet is all there. */
  #datagram(row: number, direction: Direction): void {
    const dispatcher = this.#dispatcher;
    const { events, isFirst } = dispatcher;
    dispatcher.raise(Slot.packetSender, row, direction, events.packet);
    if (isFirst) dispatcher.raise(Slot.connectionStartSender, row, direction, events.connectionStart);
    if (dispatcher.isDropped) return;
    dispatcher.raise(Slot.packetReceiver, row, direction, events.packet);
    if (isFirst) dispatcher.raise(Slot.connectionStartReceiver, row, direction, events.connectionStart);
    if (this.#layers.capturedPayloadBytes > 0) this.#delivery.deliverDatagram(row, direction, this.#layers);
  }

  #addTcp(): number {
    const layers = this.#layers;
    const opening = openingOf(layers, this.#policy);
    if (opening === undefined) return -1;
    const row = this.#add(
      opening.isReversed,
      opening.isSyn ? TimeoutClass.attempt : TimeoutClass.established,
    );
    if (row < 0) return row;
    open(this.#table, this.#tracker, row, opening, layers);
    this.#inline.begin(row);
    return row;
  }

  /** A new flow; -1 when there is no room for it. */
  #add(isReversed: boolean, timeoutClass: number): number {
    const { now } = this.#dispatcher;
    const table = this.#table;
    const hash = table.soughtHash;
    let row = table.add(this.#layers, isReversed, now, timeoutClass, hash);
    if (row < 0 && this.#limits.full === "evict") {
      this.#evictedCount++;
      this.#end(table.soonest(), "evicted");
      row = table.add(this.#layers, isReversed, now, timeoutClass, hash);
    }
    if (row < 0) {
      this.#refusedCount++;
      return -1;
    }
    table.direction = isReversed ? 1 : 0;
    this.#seenCount++;
    let mask = 0;
    for (let index = 0; index < this.#filters.length; index++) {
      const filter = (this.#filters[index] as MonitorFilters).flows;
      if (filter === undefined || this.#passes(filter)) mask |= 1 << index;
    }
    this.#table.words[row * RECORD_WORDS + Word.monitors] = mask;
    return row;
  }

  #passes(filter: Filter): boolean {
    return filter.passes(this.#linkType, this.#bytes, this.#offset, this.#capturedBytes, this.#originalBytes);
  }

  /** Tells those whose filter lets the frame in of an event without a flow. */
  #tellFrame(slot: number): void {
    const { events, monitors } = this.#dispatcher;
    const event = slot === Slot.orphan ? events.orphan : events.packet;
    event.now = this.#dispatcher.now;
    for (let index = 0; index < monitors.length; index++) {
      const { packets, flows } = this.#filters[index] as MonitorFilters;
      const filter = slot === Slot.orphan ? flows : packets;
      if (filter === undefined || this.#passes(filter)) {
        (monitors[index] as FlowMonitor<unknown>).$tellNone(slot, event);
      }
    }
  }

  #end(row: number, why: EndReason): void {
    const dispatcher = this.#dispatcher;
    // The packet at hand, if there is one, is another flow's.
    const hadPacket = this.#hasPacket;
    const wasDropped = dispatcher.isDropped;
    this.#hasPacket = false;
    this.#delivery.finish(row);
    const flags = this.#table.words[row * RECORD_WORDS + Word.flags] as number;
    let reason = why;
    if ((flags & RowFlag.reset) !== 0) reason = "reset";
    else if ((flags & RowFlag.ended) !== 0) reason = "closed";
    if (reason === "timeout") dispatcher.raise(Slot.timeout, row, 0, dispatcher.events.timeout);
    dispatcher.end(row, reason);
    if ((flags & RowFlag.rewritten) !== 0) this.#inline.end(row, reason);
    this.#delivery.release(row);
    this.#tracker.forget(row);
    this.#table.remove(row);
    this.#hasPacket = hadPacket;
    dispatcher.isDropped = wasDropped;
  }

  #currentPacket(): Packet | undefined {
    if (!this.#hasPacket) return undefined;
    if (this.#given !== undefined) return this.#given;
    if (!this.#isAimed) {
      const { view, networkOffset, networkBytes, frameEnd, bytes, version } = this.#layers;
      const end = Math.min(networkOffset + networkBytes, frameEnd, bytes.length);
      this.#packet.aim(view, networkOffset, end - networkOffset, version === 6 ? 0x86dd : 0x0800);
      this.#packet.fullLengthBytes = networkBytes;
      this.#packet.time = this.#dispatcher.now;
      this.#isAimed = true;
    }
    return this.#packet;
  }

  #makeCore(): FlowCore {
    return {
      policy: this.#policy,
      limits: this.#limits,
      table: this.#table,
      dispatcher: this.#dispatcher,
      delivery: this.#delivery,
      layers: this.#layers,
      packet: () => this.#currentPacket(),
      reset: (row) => {
        const isAtHand = this.#hasPacket && row === this.#row;
        this.#inline.reset(row, isAtHand ? this.#table.direction : undefined);
      },
      send: (row, direction, payload) => this.#inline.send(row, direction, payload),
      edit: (wanted) => this.#inline.edit(wanted),
      setTimer: (delay, callback) => this.#clock.after(delay, callback),
      failed: (monitor, error) => {
        this.#errorCount++;
        try {
          this.#options.onError?.(monitor, error);
        } catch (thrown) {
          this.#turn.keep(thrown);
        }
      },
    };
  }
}
