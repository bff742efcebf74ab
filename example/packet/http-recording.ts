/**
 * A response that passes, put together from its segments in whatever order they come.
 * @module
 */
import { type Duration, http, seconds, type tcp, type ViewOf } from "metanet/script";

/** Bytes of the longest response that is kept. */
const BODY_BYTES_MAX = 64 << 20;
/** A head that fits into one segment with what is put into it. */
const HEAD_BYTES_MAX = 1000;
/** Segments that have come before their turn. */
const EARLY_COUNT_MAX = 1000;
const KEEP_DEFAULT = seconds(60);
const KEEP_MAX = seconds(86_400);

const NOTHING = new Uint8Array(0);

/** `unusable`: no response that may be kept, or not one alone. */
export type RecordingState = "complete" | "incomplete" | "unusable";

export class Recording {
  readonly key: string;
  /** The start line and the fields that are not about the connection, each line with its end. */
  head = "";
  keepFor: Duration = KEEP_DEFAULT;
  #body: Uint8Array = NOTHING;
  readonly #start: number;
  /** Bytes of the whole response; 0 before its head has come. */
  #total = 0;
  #headBytes = 0;
  /** Bytes that are here without a hole. */
  #length = 0;
  readonly #early = new Map<number, Uint8Array>();

  /** @param start the sequence number of the response's first byte */
  constructor(key: string, start: number) {
    this.key = key;
    this.#start = start;
  }

  get body(): Uint8Array {
    return this.#body;
  }

  /** Takes what a segment carries. */
  add(segment: ViewOf<typeof tcp>): RecordingState {
    const payload = segment.payload();
    const offset = (segment.sequence - this.#start) | 0;
    if (payload.lengthBytes === 0 || offset + payload.lengthBytes <= this.#length) return "incomplete";
    if (this.#total === 0 && offset === 0 && !this.#readHead(segment)) return "unusable";
    if (this.#total > 0 && offset + payload.lengthBytes > this.#total) return "unusable";
    if (offset > this.#length || this.#total === 0) {
      if (this.#early.size >= EARLY_COUNT_MAX) return "unusable";
      this.#early.set(offset, payload.copy());
      return "incomplete";
    }
    this.#append(offset, payload.bytes());
    for (const at of [...this.#early.keys()].sort((one, other) => one - other)) {
      if (at > this.#length) break;
      this.#append(at, this.#early.get(at) ?? NOTHING);
      this.#early.delete(at);
    }
    return this.#length < this.#total ? "incomplete" : "complete";
  }

  /** Whether this is the head of a response that may be kept. */
  #readHead(segment: ViewOf<typeof tcp>): boolean {
    const response = segment.as(http);
    if (response?.status !== 200 || response.state !== "complete") return false;
    const control = response.field("cache-control") ?? "";
    if (/no-store|no-cache|private/.test(control)) return false;
    const keeps = ["set-cookie", "vary", "transfer-encoding"].every(
      (name) => response.field(name) === undefined,
    );
    const length = Number(response.field("content-length") ?? Number.NaN);
    if (!keeps || !(length <= BODY_BYTES_MAX) || response.headerBytes > HEAD_BYTES_MAX) return false;
    const maxAge = /(?:s-maxage|max-age)=(\d+)/.exec(control)?.[1];
    if (maxAge !== undefined) this.keepFor = seconds(Math.min(Number(maxAge), KEEP_MAX / 1000));
    this.head = response
      .text(0, response.headerBytes)
      .split("\r\n")
      .filter((line) => line !== "" && !/^(age|connection|keep-alive):/i.test(line))
      .map((line) => `${line}\r\n`)
      .join("");
    this.#headBytes = response.headerBytes;
    this.#total = this.#headBytes + length;
    this.#body = new Uint8Array(length);
    return true;
  }

  #append(offset: number, bytes: Uint8Array): void {
    const end = Math.min(offset + bytes.length, this.#total);
    const from = Math.max(this.#length, this.#headBytes);
    if (end > from) this.#body.set(bytes.subarray(from - offset, end - offset), from - this.#headBytes);
    this.#length = Math.max(this.#length, end);
  }
}
