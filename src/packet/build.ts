/**
 * Packets made of parts, without concatenation: the headers of one packet stand in one small buffer, payloads stay
 * where they are and are referenced. A payload's ones' complement sum is reckoned once ({@link part}), so that
 * sending one block to many costs as much as their headers.
 *
 *     build(ipv4.header({ source, destination }), udp.header({ sourcePort: 69, destinationPort }), block);
 *
 * @module
 */

import { checksumOf, fold, sumWords } from "#base/checksum.ts";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { ETHERNET_FIRST, type FirstLayer, NESTING_MAX, Packet } from "./packet.ts";
import type { Header, Protocol } from "./protocol.ts";
import { sumPseudoHeader } from "./pseudo-header.ts";
import type { View } from "./view.ts";

/** Bytes that a header's options may have. */
export const HEADER_BYTES_MAX = 65_535;

/** Bytes to be sent, whose sum is reckoned when it is first needed and kept; they must not change afterwards. */
export class Part {
  readonly bytes: Uint8Array;
  #sum = -1;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The ones' complement sum of the bytes as 16-bit words, 0 to 0xffff. */
  get sum(): number {
    if (this.#sum < 0) this.#sum = sumBytes(this.bytes);
    return this.#sum;
  }
}

/** Keeps the sum of a payload that goes into many packets. */
export function part(bytes: Uint8Array): Part {
  return new Part(bytes);
}

/** A whole packet in parts, ready to be sent. */
export class BuiltPacket {
  /** The headers, then the payload's parts; to be sent one behind the other. */
  readonly parts: readonly Uint8Array[];
  readonly lengthBytes: number;
  readonly firstLayer: FirstLayer;
  /** The EtherType of the first header; that of Ethernet itself is {@link ETHERNET_FIRST}. */
  readonly etherType: number;

  constructor(parts: readonly Uint8Array[], etherType: number) {
    this.parts = parts;
    this.lengthBytes = parts.reduce((sum, { length }) => sum + length, 0);
    this.firstLayer = etherType === ETHERNET_FIRST ? "ethernet" : "network";
    this.etherType = etherType;
  }

  /** All parts in one piece: a copy. */
  toBytes(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.lengthBytes);
    let at = 0;
    for (const one of this.parts) {
      bytes.set(one, at);
      at += one.length;
    }
    return bytes;
  }

  /** A packet to look at, with a copy of the bytes. */
  toPacket(): Packet {
    const bytes = this.toBytes();
    return new Packet().aim(new DataView(bytes.buffer), 0, bytes.length, this.etherType);
  }
}

/**
 * Makes a packet of headers, the outermost first, and of payloads behind them. Fields that are not given are the
 * protocol's usual ones; lengths, what announces the next header, and checksums are filled in unless given.
 * @throws ConfigurationError when headers do not come first, LimitExceededError when a length field cannot say how
 *   long the packet is
 */
export function build(...from: readonly (Header | Part | Uint8Array)[]): BuiltPacket {
  const headers: Header[] = [];
  const payload: Uint8Array[] = [];
  // What is behind the header that is being made: its bytes and their sum.
  let bytesBehind = 0;
  let sumBehind = 0;
  for (const one of from) {
    if (isHeader(one)) {
      if (payload.length > 0) throw problem(`a ${one.protocol.name} header stands behind a payload`);
      headers.push(one);
      continue;
    }
    const { bytes } = one instanceof Part ? one : { bytes: one };
    payload.push(bytes);
  }
  if (headers.length > NESTING_MAX) throw problem(`${headers.length} headers, at most ${NESTING_MAX}`);
  const needsSum = headers.some(({ protocol }) => protocol.coversPayload);
  for (const one of from) {
    if (isHeader(one)) continue;
    const { length } = one instanceof Part ? one.bytes : one;
    if (needsSum) sumBehind += atOffset(bytesBehind, one instanceof Part ? one.sum : sumBytes(one));
    bytesBehind += length;
  }
  const sizes = headers.map(measure);
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  scratch.aim(new DataView(bytes.buffer), 0, bytes.length, 0);
  const views = layHeaders(headers, sizes);
  for (let index = headers.length - 1; index >= 0; index--) {
    const header = headers[index] as Header;
    const view = views[index] as View;
    const size = sizes[index] as number;
    bytesBehind += size;
    setLengths(view, header, bytesBehind);
    announceNext(view, header, headers[index + 1]?.protocol);
    if (needsSum || header.protocol.checksum !== undefined)
      sumBehind = setChecksum(view, header, views[index - 1], sumBehind, bytesBehind);
  }
  return new BuiltPacket(bytes.length > 0 ? [bytes, ...payload] : payload, etherTypeOf(headers[0]));
}

/** Headers are written through views of this packet, which nobody else sees. */
const scratch = new Packet();

function isHeader(one: Header | Part | Uint8Array): one is Header {
  return "protocol" in one;
}

function problem(text: string): ConfigurationError {
  return new ConfigurationError(`Cannot build a packet: ${text}`);
}

/** The bytes of a header with its options. */
function measure(header: Header): number {
  const { protocol, options } = header;
  const { headerBytes, isVariable } = protocol.building;
  let size = typeof headerBytes === "number" ? headerBytes : protocol.minimumBytes;
  if (isVariable && typeof headerBytes === "function") {
    const room = new Uint8Array(HEADER_BYTES_MAX);
    scratch.aim(new DataView(room.buffer), 0, room.length, 0);
    const view = viewOf(protocol, 0, room.length);
    writeFields(view, header);
    size = Math.max(size, Math.min(headerBytes(view) || 0, HEADER_BYTES_MAX));
  }
  return size + (options?.length ?? 0);
}

/** Writes all headers with what is given for them. */
function layHeaders(headers: readonly Header[], sizes: readonly number[]): View[] {
  const views: View[] = [];
  let at = 0;
  for (const [index, header] of headers.entries()) {
    const size = sizes[index] as number;
    const view = viewOf(header.protocol, at, at + size);
    writeFields(view, header);
    if (header.options !== undefined) view.bytes(size - header.options.length).set(header.options);
    views.push(view);
    at += size;
  }
  return views;
}

function viewOf(protocol: Protocol, start: number, end: number): View {
  const view = protocol.make(scratch);
  view.$data = scratch.$data;
  view.$start = start;
  view.$end = end;
  view.$header = end - start;
  view.$outer = scratch;
  return view;
}

function writeFields(view: View, { protocol, values }: Header): void {
  const { initial } = protocol.building;
  const { writers } = planOf(protocol);
  let givenCount = 0;
  for (const { name, write } of writers) {
    const given = values[name];
    if (given !== undefined) givenCount++;
    const value = given ?? initial[name];
    if (value !== undefined) write(view, value);
  }
  let nameCount = 0;
  for (const _ in values) nameCount++;
  if (nameCount === givenCount) return;
  for (const name of Object.keys(values)) {
    if (!(name in protocol.fields)) throw problem(`${protocol.name} has no field ${name}`);
  }
}

/** Sets one field. Every field has code of its own, which is optimised for the views of its protocol. */
interface Writer {
  readonly name: string;
  /** The values from this one on do not fit; infinite where the field's width is not fixed. */
  readonly limit: number;
  readonly write: (view: View, value: unknown) => void;
}

/** What building a protocol's headers needs again and again. */
interface Plan {
  /** In the order of the declaration: where a field is may depend on those before it. */
  readonly writers: readonly Writer[];
  readonly byName: ReadonlyMap<string, Writer>;
  /** The name of the field with the checksum; empty without one. */
  readonly checksumField: string;
}

/** By the protocols' indices. */
const plans: Plan[] = [];

function planOf(protocol: Protocol): Plan {
  let plan = plans[protocol.index];
  if (plan === undefined) {
    plan = makePlan(protocol);
    plans[protocol.index] = plan;
  }
  return plan;
}

function makePlan(protocol: Protocol): Plan {
  const { fields, checksum } = protocol;
  const { prototype } = protocol.make(scratch).constructor;
  const writers = Object.entries(fields).map(([name, { bits }]): Writer => {
    const set = Object.getOwnPropertyDescriptor(prototype, name)?.set;
    const write = (view: View, value: unknown): void => set?.call(view, value);
    return { name, limit: typeof bits === "number" ? 2 ** bits : Number.POSITIVE_INFINITY, write };
  });
  const checksumField = writers.find(({ name }) => fields[name]?.at === (checksum?.at ?? -1) * 8)?.name ?? "";
  return { writers, byName: new Map(writers.map((writer) => [writer.name, writer])), checksumField };
}

function setLengths(view: View, { protocol, values }: Header, contentBytes: number): void {
  const lengths = protocol.building.sized?.(view.$header, contentBytes);
  for (const name in lengths) {
    if (values[name] !== undefined) continue;
    const value = lengths[name];
    const writer = planOf(protocol).byName.get(name);
    if (typeof value === "number" && writer !== undefined && writer.limit !== Number.POSITIVE_INFINITY) {
      if (!Number.isInteger(value)) throw problem(`${name} of ${protocol.name} would be ${value}`);
      if (value >= writer.limit) {
        throw new LimitExceededError(
          `Cannot build a packet: ${name} of ${protocol.name} would be ${value}, at most ${writer.limit - 1}`,
        );
      }
    }
    writer?.write(view, value);
  }
}

function announceNext(view: View, { protocol, values }: Header, next: Protocol | undefined): void {
  const { announcedIn } = protocol.building;
  if (next === undefined || announcedIn === undefined || values[announcedIn] !== undefined) return;
  const number = announcing(next, protocol.name);
  if (number === undefined || protocol.announcedToo(view) === number) return;
  planOf(protocol).byName.get(announcedIn)?.write(view, number);
}

function announcing(protocol: Protocol, outer: string): number | undefined {
  const numbers = protocol.building.carriedBy[outer];
  if (typeof numbers === "number") return numbers;
  return numbers === "any" ? undefined : numbers?.[0];
}

/** Fills in the checksum; the sum of this header and all behind it. */
function setChecksum(
  view: View,
  { protocol, values }: Header,
  outer: View | undefined,
  sumBehind: number,
  contentBytes: number,
): number {
  const { checksum } = protocol;
  const size = view.$header;
  const behind = atOffset(size, fold(sumBehind));
  const own = (): number => fold(sumWords(view.$data, view.$start, size));
  if (checksum === undefined || checksum.presentIf?.(view) === false) return own() + behind;
  const given = values[planOf(protocol).checksumField];
  if (given !== undefined) {
    // The fields written after it have brought their changes to it.
    view.$data.setUint16(view.$start + checksum.at, Number(given));
    return own() + behind;
  }
  const { at, covers, pseudoHeader, zeroIsNone = false } = checksum;
  view.$data.setUint16(view.$start + at, 0);
  let sum = own();
  if (covers === "all") {
    sum += behind;
    if (outer !== undefined && pseudoHeader?.[outer.$of.name === "ipv6" ? 6 : 4] === true) {
      const number = announcing(protocol, outer.$of.name) ?? 0;
      sum += sumPseudoHeader(outer, number, contentBytes) ?? 0;
    }
  }
  const value = checksumOf(sum);
  view.$data.setUint16(view.$start + at, zeroIsNone && value === 0 ? 0xffff : value);
  return own() + behind;
}

/** What a sum counts at an offset: its bytes swap at odd ones (RFC 1071 §2 B). */
function atOffset(offset: number, sum: number): number {
  return (offset & 1) === 0 ? sum : ((sum & 0xff) << 8) | (sum >>> 8);
}

function sumBytes({ buffer, byteOffset, length }: Uint8Array): number {
  return fold(sumWords(new DataView(buffer, byteOffset, length), 0, length));
}

function etherTypeOf(header: Header | undefined): number {
  if (header === undefined) return 0;
  return announcing(header.protocol, "packet") ?? 0;
}
