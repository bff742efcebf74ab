/**
 * HTTP/1 messages of one direction of a connection, found in pieces of its stream, with gaps in it (RFC 9112). Bodies are
 * counted, not kept.
 *
 * @module
 */

/** The start of a message. */
export interface HttpHead {
  /** `GET`, `/`, `HTTP/1.1` of a request; `HTTP/1.1`, `200`, `OK` of a response. */
  readonly startLine: readonly string[];
  /** By lower-case names. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Who is told. */
export interface HttpListener {
  /** What is answered says how long the body is: `undefined` where its fields do. */
  head(head: HttpHead): "none" | undefined;
  /** The message that began last is over; what its body took, chunks and all. */
  end(bodyBytes: number): void;
}

/** Bytes of a head at most; what is longer is no HTTP. */
const HEAD_BYTES_MAX = 16_384;
const START = /^(?:[A-Z]{3,10} \S+ HTTP\/1\.\d|HTTP\/1\.\d \d{3}(?: .*)?)$/;
const LATIN1 = new TextDecoder("latin1");

/** What comes next: a head, so many bytes of a body or of a chunk, the size of a chunk, what follows the last one. */
type Next = "head" | "bytes" | "chunk-size" | "trailer" | "until-close" | "lost";

export class HttpMessages {
  readonly #listener: HttpListener;
  #next: Next = "head";
  #isChunk = false;
  /** Bytes of a head, or of a line, that is not whole yet. */
  #text = "";
  #left = 0;
  #bodyBytes = 0;

  constructor(listener: HttpListener) {
    this.#listener = listener;
  }

  /** More of the stream. */
  bytes(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#next === "bytes" || this.#next === "until-close") {
        at += this.#skip(bytes.length - at);
      } else {
        const room = Math.min(bytes.length - at, HEAD_BYTES_MAX);
        const before = this.#text.length;
        const end = this.#line(
          this.#text + LATIN1.decode(bytes.subarray(at, at + room)),
          at + room < bytes.length,
        );
        at += end === undefined ? room : end - before;
      }
    }
  }

  /** So many bytes are missing: of a body they count, of all else the next head is looked for. */
  gap(lengthBytes: number): void {
    if (this.#next === "until-close") this.#skip(lengthBytes);
    else if (this.#next === "bytes" && lengthBytes <= this.#left) this.#skip(lengthBytes);
    else this.#next = "lost";
    if (this.#next === "lost") this.#text = "";
  }

  /** No more comes. */
  close(): void {
    if (this.#next === "until-close") this.#finish();
  }

  #skip(lengthBytes: number): number {
    const taken = this.#next === "until-close" ? lengthBytes : Math.min(lengthBytes, this.#left);
    this.#bodyBytes += taken;
    this.#left -= taken;
    if (this.#next === "bytes" && this.#left === 0) {
      if (this.#isChunk) this.#next = "chunk-size";
      else this.#finish();
    }
    return taken;
  }

  /** @returns where in `text` it goes on; `undefined` when more is needed */
  #line(text: string, hasMore: boolean): number | undefined {
    const isHead = this.#next === "head" || this.#next === "lost";
    if (isHead && /^\r?\n/.test(text)) {
      // Empty lines before a head are let pass (RFC 9112 §2.2).
      this.#text = "";
      return text.indexOf("\n") + 1;
    }
    const end = isHead ? /\r?\n\r?\n/.exec(text) : /\r?\n/.exec(text);
    if (end === null) {
      const isTooLong = text.length >= HEAD_BYTES_MAX || hasMore;
      // Behind a gap a head begins in a packet of its own, or not to be told from a body.
      if (this.#next === "lost") this.#text = START.test(text.slice(0, text.indexOf("\r"))) ? text : "";
      else this.#text = text;
      if (isTooLong) this.#lose();
      return undefined;
    }
    this.#text = "";
    const words = text.slice(0, end.index);
    if (isHead) this.#head(words);
    else if (this.#next === "chunk-size") this.#chunk(words, end.index + end[0].length);
    else if (words === "") this.#finish();
    else this.#bodyBytes += words.length;
    return end.index + end[0].length;
  }

  #head(text: string): void {
    const [start = "", ...lines] = text.split(/\r?\n/);
    if (!START.test(start)) {
      this.#lose();
      return;
    }
    const fields = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon > 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
    }
    this.#bodyBytes = 0;
    this.#isChunk = false;
    const body = this.#listener.head({ startLine: start.split(" "), fields });
    const isResponse = start.startsWith("HTTP/");
    const length = fields.get("content-length");
    if (body === "none") this.#finish();
    else if (/\bchunked\b/i.test(fields.get("transfer-encoding") ?? "")) {
      this.#isChunk = true;
      this.#next = "chunk-size";
    } else if (length !== undefined && /^\d+$/.test(length)) this.#expect(Number(length));
    else if (isResponse) this.#next = "until-close";
    else this.#finish();
  }

  #chunk(line: string, lengthBytes: number): void {
    const size = Number.parseInt(line, 16);
    // The line end of the chunk before.
    if (line === "") return;
    if (Number.isNaN(size)) this.#lose();
    else {
      this.#bodyBytes += lengthBytes;
      if (size === 0) this.#next = "trailer";
      else this.#expect(size);
    }
  }

  #expect(lengthBytes: number): void {
    this.#next = "bytes";
    this.#left = lengthBytes;
    if (lengthBytes === 0) this.#finish();
  }

  #finish(): void {
    this.#next = "head";
    this.#listener.end(this.#bodyBytes);
  }

  #lose(): void {
    this.#next = "lost";
    this.#text = "";
  }
}
