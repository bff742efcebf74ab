/**
 * One engine that records the flows of a capture, or its share of them, and tells of them batch by batch.
 * @module
 */
import type { ConnectionRecord } from "#flow/record/recorder.ts";
import { recordConnections } from "#flow/record/recorder.ts";
import { LinkType } from "#packet/link-type.ts";
import type { CaptureFile } from "../capture-file.ts";
import { FlowEngine, type FlowStatistics, IpProtocol } from "../flow.ts";
import { type EngineChoice, engineOptions } from "./engine-choice.ts";
import { FrameShare, type Share } from "./frame-share.ts";
import { rowOf } from "./record-row.ts";

/** What is to be done. */
export interface ReplayOrder {
  /** A capture, or `-` for standard input. */
  readonly file: string;
  readonly filter?: string;
  readonly json: boolean;
  readonly engine: EngineChoice;
}

/** Kinds of flows that are numbered, each for itself: two bits of a mark. */
export const StreamKind = { other: 0, tcp: 1, udp: 2 } as const;

/** Flows that ended, in order. */
export interface LaneBatch {
  /** How many frames of the capture have been dealt with; infinite at its end. */
  readonly frames: number;
  /** One line of JSON each, or cells with tabs between. */
  readonly rows: readonly string[];
  /**
   * For each row `4 * n + StreamKind`: n is the flow's number, counted from 0, or, where there are several workers, the
   * number of its first frame.
   */
  readonly marks: readonly number[];
  /** For each row the number of the frame that ended it. */
  readonly ends: readonly number[];
  /**
   * Where there are several workers: `8 * frame + 2 * StreamKind` for every flow that has begun and is numbered, one more
   * where it will have a row.
   */
  readonly starts: readonly number[];
}

/** What a capture was, as far as one worker has seen it. */
export interface LaneSummary {
  readonly frames: number;
  readonly bytes: number;
  /** Milliseconds since 1970; `undefined` when there was no packet. */
  readonly firstTime: number | undefined;
  readonly lastTime: number;
  readonly statistics: FlowStatistics;
  readonly states: Readonly<Record<string, number>>;
  readonly protocols: Readonly<Record<string, number>>;
  readonly missedBytes: number;
  /** That the capture ends inside of a record. */
  readonly warning: string | undefined;
  /** Frames that were captured in part. */
  readonly cutFrames: number;
  /** A link type (LINKTYPE_ number) whose packets cannot be looked at; `undefined` when there is none. */
  readonly strangeLinkType: number | undefined;
}

const LINK_TYPES: ReadonlySet<number> = new Set(Object.values(LinkType));

/** Rows in a batch before it is told of. */
const ROWS_MAX = 1024;

export class ReplayLane {
  readonly #capture: CaptureFile;
  readonly #engine: FlowEngine;
  readonly #share: FrameShare | undefined;
  readonly #json: boolean;
  readonly #tell: (batch: LaneBatch) => void;
  readonly #states: Record<string, number> = {};
  readonly #protocols: Record<string, number> = {};
  #rows: string[] = [];
  #marks: number[] = [];
  #ends: number[] = [];
  #starts: number[] = [];
  #frame = 0;
  #bytes = 0;
  #cutFrames = 0;
  #firstTime: number | undefined;
  #missedBytes = 0;
  #linkType = -1;
  #strangeLinkType: number | undefined;
  #tcpCount = 0;
  #udpCount = 0;
  /** The frame that began a flow which will have a row. */
  #marked = 0;

  /**
   * @param share which flows; all when not given
   * @throws FilterError
   */
  constructor(
    capture: CaptureFile,
    order: ReplayOrder,
    share: Share | undefined,
    tell: (batch: LaneBatch) => void,
  ) {
    this.#capture = capture;
    this.#json = order.json;
    this.#tell = tell;
    this.#share = share && new FrameShare(share);
    // Nobody reads the bytes, and none are kept to be compared.
    this.#engine = new FlowEngine(engineOptions(order.engine, { compareBytes: 0 }));
    recordConnections(this.#engine, {
      filter: order.filter,
      mark: (flow) => this.#mark(flow.protocol),
      tell: (record, mark) => this.#add(record, mark),
    });
    // Flows are numbered whether or not the filter lets them pass; the recorder was asked for its mark before.
    this.#engine
      .monitor({ name: "numbers" })
      .on("connectionStart", "receiver", (flow) => this.#count(flow.protocol));
  }

  /**
   * Runs to the capture's end. Damage ends it as well: what was whole has been told of then.
   * @param settle is awaited between batches; a slow reader holds the capture up
   * @throws MalformedCaptureError, UnavailableError, FilterError
   */
  async run(settle: () => Promise<void> | undefined): Promise<LaneSummary> {
    try {
      while (await this.#capture.more()) {
        this.#handleAll();
        this.#flush(this.#frame);
        await settle();
      }
    } finally {
      this.#frame++;
      this.#engine.close();
      this.#flush(Number.POSITIVE_INFINITY);
    }
    await settle();
    return this.summary();
  }

  /** Up to now. */
  summary(): LaneSummary {
    const { record, truncation } = this.#capture;
    return {
      frames: Math.max(0, this.#frame - 1),
      bytes: this.#bytes,
      firstTime: this.#firstTime,
      lastTime: record.seconds * 1000 + record.nanoseconds / 1e6,
      statistics: this.#engine.statistics,
      states: this.#states,
      protocols: this.#protocols,
      missedBytes: this.#missedBytes,
      warning: truncation?.message,
      cutFrames: this.#cutFrames,
      strangeLinkType: this.#strangeLinkType,
    };
  }

  #handleAll(): void {
    const capture = this.#capture;
    const engine = this.#engine;
    const share = this.#share;
    const { record } = capture;
    while (capture.next()) {
      this.#frame++;
      this.#bytes += record.originalBytes;
      if (record.capturedBytes < record.originalBytes) this.#cutFrames++;
      if (record.linkType !== this.#linkType) this.#noteLinkType(record.linkType);
      this.#firstTime ??= record.seconds * 1000 + record.nanoseconds / 1e6;
      if (share === undefined || share.owns(record)) engine.handle(record);
      else engine.advance(record.seconds * 1000 + record.nanoseconds / 1e6);
    }
  }

  #noteLinkType(linkType: number): void {
    this.#linkType = linkType;
    if (!LINK_TYPES.has(linkType)) this.#strangeLinkType ??= linkType;
  }

  #mark(protocol: number): number {
    const kind = kindOf(protocol);
    this.#marked = this.#frame;
    if (this.#share !== undefined) return this.#frame * 4 + kind;
    return (kind === StreamKind.tcp ? this.#tcpCount : this.#udpCount) * 4 + kind;
  }

  #count(protocol: number): void {
    const kind = kindOf(protocol);
    if (kind === StreamKind.other) return;
    if (this.#share !== undefined) {
      this.#starts.push(this.#frame * 8 + kind * 2 + (this.#marked === this.#frame ? 1 : 0));
    } else if (kind === StreamKind.tcp) this.#tcpCount++;
    else this.#udpCount++;
  }

  #add(record: ConnectionRecord, mark: number): void {
    const { conn_state, proto } = record;
    this.#states[conn_state] = (this.#states[conn_state] ?? 0) + 1;
    this.#protocols[proto] = (this.#protocols[proto] ?? 0) + 1;
    this.#missedBytes += record.missed_bytes;
    this.#rows.push(this.#json ? JSON.stringify(record) : rowOf(record));
    this.#marks.push(mark);
    this.#ends.push(this.#frame);
    // What ends with a later frame is not known yet, but all of the frames before has been told.
    if (this.#rows.length >= ROWS_MAX) this.#flush(this.#frame - 1);
  }

  #flush(frames: number): void {
    const rows = this.#rows;
    const marks = this.#marks;
    const ends = this.#ends;
    const starts = this.#starts;
    this.#rows = [];
    this.#marks = [];
    this.#ends = [];
    this.#starts = [];
    this.#tell({ frames, rows, marks, ends, starts });
  }
}

function kindOf(protocol: number): number {
  if (protocol === IpProtocol.tcp) return StreamKind.tcp;
  return protocol === IpProtocol.udp ? StreamKind.udp : StreamKind.other;
}
