/**
 * Packets that become longer or shorter: the bytes behind a place move, the views of them too, and the lengths and
 * checksums of all headers around the place follow. A checksum that was wrong before stays as wrong.
 * @module
 */
import { fold, sumWords, updateChecksum } from "#base/checksum.ts";
import type { Packet } from "./packet.ts";
import type { View } from "./view.ts";

/** Bytes a packet may grow to: IPv6's largest jumbo frame that a device of Linux takes. */
export const PACKET_BYTES_MAX = 524_280;
/** Room behind a packet that had to move, so that it need not move for the next option. */
const SLACK_BYTES = 64;

interface Change {
  readonly view: View;
  /** In the packet's memory. */
  readonly place: number;
  readonly remove: number;
  readonly growth: number;
  readonly isOption: boolean;
}

/** One header around the place, with what it was before. */
interface Around {
  readonly view: View;
  /** By how many bytes the header itself grows. */
  readonly headerGrowth: number;
  readonly oldSum: number;
}

/**
 * The caller has checked that the place lies inside of the view.
 * @param isOption what is put in belongs to the header also when it stands at its end
 */
export function spliceView(
  view: View,
  at: number,
  remove: number,
  insert: Uint8Array,
  isOption = false,
): boolean {
  const { packet } = view;
  packet.$resizable();
  // A view whose bytes are gone, or of an earlier packet.
  if (view.$generation !== packet.$generation) return false;
  const growth = insert.length - remove;
  const place = view.$start + at;
  if (packet.lengthBytes + growth > PACKET_BYTES_MAX) return false;
  if (growth === 0) return view.write(at, insert);
  const headers = headersAround({ view, place, remove, growth, isOption });
  if (headers === undefined) return false;
  // What is put in may be a view of the packet itself.
  const inserted = insert.buffer === view.$data.buffer ? Uint8Array.from(insert) : insert;
  const offset = place - packet.$start;
  makeRoom(packet, growth);
  const start = packet.$start + offset;
  const memory = new Uint8Array(packet.$data.buffer, packet.$data.byteOffset, packet.$data.byteLength);
  memory.copyWithin(start + inserted.length, start + remove, packet.$end);
  memory.set(inserted, start);
  const isAround = new Set<View>([packet, ...headers.map((header) => header.view)]);
  for (const other of [...packet.$views()]) {
    if (!isAround.has(other)) moveView(other, start, remove, growth);
  }
  for (const other of isAround) other.$end += growth;
  packet.fullLengthBytes += growth;
  for (const header of headers) settle(header, growth);
  return true;
}

/** This view and those outside of it, inner ones first; `undefined` when one of them cannot be resized so. */
function headersAround({ view, place, remove, growth, isOption }: Change): Around[] | undefined {
  const headers: Around[] = [];
  for (let each: View | undefined = view; each !== undefined; each = each.$outer) {
    const at = place - each.$start;
    const protocol = each.$of;
    const isHeader = at < each.$header || (isOption && each === view);
    if (isHeader) {
      const fits = at >= protocol.minimumBytes && at + remove <= each.$header;
      const unit = protocol.headerUnitBytes;
      if (!fits || unit === 0 || growth % unit !== 0) return undefined;
    }
    const headerGrowth = isHeader ? growth : 0;
    if (!canSay(each, headerGrowth, growth)) return undefined;
    const oldSum = protocol.checksum === undefined ? 0 : sumOf(each);
    headers.push({ view: each, headerGrowth, oldSum });
  }
  return headers;
}

/** Whether the length fields of a header have room for what they would have to say. */
function canSay(view: View, headerGrowth: number, growth: number): boolean {
  const { lengthIn, fields, building } = view.$of;
  if (lengthIn !== undefined) {
    const length = numberIn(view, lengthIn);
    const bits = fields[lengthIn]?.bits as number;
    if (length !== 0 && (length + growth >= 2 ** bits || length + growth < 0)) return false;
  }
  if (headerGrowth === 0 || building.sized === undefined) return true;
  const header = view.$header + headerGrowth;
  return Object.entries(building.sized(header, header)).every(
    ([name, value]) => name === lengthIn || Number(value) < 2 ** (fields[name]?.bits as number),
  );
}

/** Brings lengths and checksum of one header up to date; those further in are right already. */
function settle({ view, headerGrowth, oldSum }: Around, growth: number): void {
  const { checksum, lengthIn, building, resized } = view.$of;
  const place = view.$start + (checksum?.at ?? 0);
  const hasChecksum = checksum !== undefined && checksum.presentIf?.(view) !== false;
  const before = hasChecksum ? view.$data.getUint16(place) : 0;
  // The fields' own way to tell of a change would count it twice: sums are taken of the whole, once.
  const covered = view.$covered;
  view.$covered = false;
  const oldLength = lengthIn === undefined ? 0 : numberIn(view, lengthIn);
  if (lengthIn !== undefined && oldLength !== 0) setValue(view, lengthIn, oldLength + growth);
  resized?.(view, growth);
  if (headerGrowth !== 0) {
    view.$header += headerGrowth;
    const sizes = building.sized?.(view.$header, view.lengthBytes) ?? {};
    for (const [name, value] of Object.entries(sizes)) if (name !== lengthIn) setValue(view, name, value);
  }
  view.$covered = covered;
  if (!hasChecksum) return;
  view.$data.setUint16(place, before);
  if (checksum.zeroIsNone === true && before === 0) return;
  let after = updateChecksum(before, oldSum, sumOf(view));
  const family = view.$outer?.$of.name;
  const hasPseudoHeader =
    (family === "ipv4" && checksum.pseudoHeader?.[4]) || (family === "ipv6" && checksum.pseudoHeader?.[6]);
  // The length in the pseudo header is another one: UDP's own, or what the IP header tells (RFC 8200 §8.1).
  const isTold = checksum.twiceAt === undefined || oldLength !== 0;
  if (hasPseudoHeader === true && isTold) {
    const words = growth > 0 ? growth : -growth;
    after = growth > 0 ? updateChecksum(after, 0, fold(words)) : updateChecksum(after, fold(words), 0);
  }
  if (checksum.zeroIsNone === true && after === 0) after = 0xffff;
  view.$data.setUint16(place, after);
}

/** The sum of what a header's checksum is over, as it is now. */
function sumOf(view: View): number {
  const isHeader = view.$of.checksum?.covers === "header";
  return fold(sumWords(view.$data, view.$start, isHeader ? view.$header : view.lengthBytes));
}

/** Where a view is afterwards that is not around the place. */
function moveView(view: View, place: number, remove: number, growth: number): void {
  const behind = place + remove;
  if (view.$end <= place) return;
  if (view.$start >= behind) {
    view.$start += growth;
    view.$end += growth;
  } else if (view.$start + view.$header <= place && view.$end >= behind) {
    view.$end += growth;
  } else {
    abandon(view);
  }
}

/** A view whose bytes are gone: it has zeros of its own from here on, and the packet does not find it again. */
function abandon(view: View): void {
  view.packet.$forget(view);
  view.$data = new DataView(new ArrayBuffer(view.$of.minimumBytes));
  view.$start = 0;
  view.$end = view.$of.minimumBytes;
  view.$header = view.$end;
  view.$outer = undefined;
  view.$covered = false;
  view.$generation = 0;
}

/** Takes the packet to a larger memory when there is no room for it to grow. */
function makeRoom(packet: Packet, growth: number): void {
  if (packet.$end + growth <= packet.$limit) return;
  const { lengthBytes } = packet;
  const memory = new Uint8Array(lengthBytes + growth + SLACK_BYTES);
  memory.set(packet.bytes());
  packet.$move(new DataView(memory.buffer), 0, lengthBytes);
}

function numberIn(view: View, name: string): number {
  return (view as unknown as Readonly<Record<string, number>>)[name] ?? 0;
}

function setValue(view: View, name: string, value: unknown): void {
  (view as unknown as Record<string, unknown>)[name] = value;
}
