/**
 * DNS (RFC 1035), walked in place: questions and records are found one after the other, and their names are made
 * into text only when asked for. A walk ends where the message does or where it cannot be read.
 * @module
 */
import { type Ipv4Input, type Ipv6Input, ipv4Address, ipv6Address } from "./address.ts";
import { nameAt, skipName } from "./dns-name.ts";
import { defineProtocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** Types of records as IANA lists them. */
export const DnsType = {
  a: 1,
  ns: 2,
  cname: 5,
  soa: 6,
  ptr: 12,
  mx: 15,
  txt: 16,
  aaaa: 28,
  srv: 33,
  dname: 39,
  opt: 41,
  svcb: 64,
  https: 65,
  any: 255,
} as const;

const HEADER_BYTES = 12;

/** What is asked. */
export class DnsQuestion {
  /** The message, and where in it this begins. */
  readonly message: View;
  readonly at: number;
  readonly #nameEnd: number;

  constructor(message: View, at: number, nameEnd: number) {
    this.message = message;
    this.at = at;
    this.#nameEnd = nameEnd;
  }

  /** As text in the case it came in, without the last dot; `undefined` when it cannot be read. */
  get name(): string | undefined {
    return nameAt(this.message, this.at);
  }

  /** Bytes of the name as it stands there, and all that belongs to it. */
  get lengthBytes(): number {
    return this.#nameEnd + 4 - this.at;
  }

  /** See {@link DnsType}. */
  get type(): number {
    return this.message.uint16(this.#nameEnd) ?? 0;
  }

  set type(value: number) {
    this.message.setUint16(this.#nameEnd, value);
  }

  /** 1 is the Internet; the top bit is multicast DNS's. */
  get class(): number {
    return this.message.uint16(this.#nameEnd + 2) ?? 0;
  }

  set class(value: number) {
    this.message.setUint16(this.#nameEnd + 2, value);
  }
}

/** A resource record. */
export class DnsRecord extends DnsQuestion {
  /** Where its data begins in the message, and how many bytes they are. */
  readonly dataAt: number;
  readonly dataBytes: number;

  constructor(message: View, at: number, dataAt: number, dataBytes: number) {
    super(message, at, dataAt - 10);
    this.dataAt = dataAt;
    this.dataBytes = dataBytes;
  }

  override get lengthBytes(): number {
    return this.dataAt + this.dataBytes - this.at;
  }

  /** How long it may be kept, in seconds. */
  get timeToLive(): number {
    return this.message.uint32(this.dataAt - 6) ?? 0;
  }

  set timeToLive(seconds: number) {
    this.message.setUint32(this.dataAt - 6, seconds);
  }

  get data(): View | undefined {
    return this.message.slice(this.dataAt, this.dataBytes);
  }

  /** The address of an A record, a number, or of an AAAA record, a bigint; `undefined` of others. */
  get address(): number | bigint | undefined {
    if (this.type === DnsType.a && this.dataBytes === 4) return this.message.uint32(this.dataAt);
    if (this.type !== DnsType.aaaa || this.dataBytes !== 16) return undefined;
    return this.message.bytes(this.dataAt, 16).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** Takes text as well; of the record's own family. @throws MalformedMessageError for one of the other */
  set address(address: Ipv4Input | Ipv6Input) {
    if (this.type === DnsType.a && this.dataBytes === 4) {
      this.message.setUint32(this.dataAt, ipv4Address(address as Ipv4Input));
    } else if (this.type === DnsType.aaaa && this.dataBytes === 16) {
      const bytes = new Uint8Array(16);
      let rest = ipv6Address(address as Ipv6Input);
      for (let at = 15; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 0xffn);
      this.message.write(this.dataAt, bytes);
    }
  }

  /** The name in the data of CNAME, NS, PTR, DNAME, MX and SRV; `undefined` of others. */
  get target(): string | undefined {
    const skipped = TARGET_AT.get(this.type);
    if (skipped === undefined || skipped >= this.dataBytes) return undefined;
    return nameAt(this.message, this.dataAt + skipped);
  }

  /** The texts of a TXT record, one character for each byte. */
  get texts(): string[] {
    const texts: string[] = [];
    const end = this.dataAt + this.dataBytes;
    for (let at = this.dataAt; this.type === DnsType.txt && at < end; ) {
      const length = this.message.uint8(at) ?? 0;
      if (at + 1 + length > end) break;
      texts.push(this.message.text(at + 1, length));
      at += 1 + length;
    }
    return texts;
  }
}

/** Bytes before the name in the data. */
const TARGET_AT: ReadonlyMap<number, number> = new Map([
  [DnsType.ns, 0],
  [DnsType.cname, 0],
  [DnsType.ptr, 0],
  [DnsType.dname, 0],
  [DnsType.mx, 2],
  [DnsType.srv, 6],
]);

export const dns = defineProtocol({
  name: "dns",
  fields: {
    identifier: { at: 0, bits: 16 },
    isResponse: { at: 16, bits: 1, as: "boolean" },
    opcode: { at: 17, bits: 4 },
    isAuthoritative: { at: 21, bits: 1, as: "boolean" },
    isTruncated: { at: 22, bits: 1, as: "boolean" },
    recursionDesired: { at: 23, bits: 1, as: "boolean" },
    recursionAvailable: { at: 24, bits: 1, as: "boolean" },
    isAuthentic: { at: 26, bits: 1, as: "boolean" },
    checkingDisabled: { at: 27, bits: 1, as: "boolean" },
    /** 0 is no error, 3 that there is no such name. */
    responseCode: { at: 28, bits: 4 },
    questionCount: { at: 32, bits: 16 },
    answerCount: { at: 48, bits: 16 },
    authorityCount: { at: 64, bits: 16 },
    additionalCount: { at: 80, bits: 16 },
  },
  // Multicast DNS (RFC 6762) has the same messages.
  carriedBy: { udp: [53, 5353], dnsLength: "any" },
  methods: {
    /** The first question, which nearly always is the only one. */
    get question(): DnsQuestion | undefined {
      for (const question of this.questions()) return question;
      return undefined;
    },
    *questions(): Iterable<DnsQuestion> {
      for (let at = HEADER_BYTES, left = this.questionCount; left > 0; left--) {
        const end = skipName(this, at);
        if (end < 0 || !this.$has(end, 4)) return;
        yield new DnsQuestion(this, at, end);
        at = end + 4;
      }
    },
    answers(): Iterable<DnsRecord> {
      return records(this, 0, this.answerCount);
    },
    authorities(): Iterable<DnsRecord> {
      return records(this, this.answerCount, this.authorityCount);
    },
    additionals(): Iterable<DnsRecord> {
      return records(this, this.answerCount + this.authorityCount, this.additionalCount);
    },
    /** The records of all three sections. */
    records(): Iterable<DnsRecord> {
      return records(this, 0, this.answerCount + this.authorityCount + this.additionalCount);
    },
  },
});

/** The length before each message on TCP (RFC 1035 §4.2.2); the message is its payload, as far as it is there. */
export const dnsLength = defineProtocol({
  name: "dnsLength",
  fields: { length: { at: 0, bits: 16 } },
  carriedBy: { tcp: 53 },
  contentBytes: ({ length }) => 2 + length,
  sized: (_headerBytes, contentBytes) => ({ length: contentBytes - 2 }),
  lengthIn: "length",
  isCarrier: true,
});

/** `count` records behind the questions and `skipped` others. */
function* records(message: View, skipped: number, count: number): Iterable<DnsRecord> {
  let at = HEADER_BYTES;
  for (let left = message.uint16(4) ?? 0; left > 0; left--) {
    const end = skipName(message, at);
    if (end < 0) return;
    at = end + 4;
  }
  for (let index = 0; index < skipped + count; index++) {
    const end = skipName(message, at);
    const dataBytes = end < 0 ? undefined : message.uint16(end + 8);
    if (dataBytes === undefined || !message.$has(end + 10, dataBytes)) return;
    if (index >= skipped) yield new DnsRecord(message, at, end + 10, dataBytes);
    at = end + 10 + dataBytes;
  }
}
