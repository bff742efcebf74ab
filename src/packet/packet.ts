/**
 * A packet: some bytes of a memory that others own, what is known about them, and the views aimed at them. One
 * Packet object serves one packet after the other; {@link Packet.keep} takes one away from that circle.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { Connection } from "./connection.ts";
import {
  ETHERNET_FIRST,
  type NextKind,
  nextProtocols,
  type Protocol,
  rawProtocol,
  rootProtocol,
} from "./protocol.ts";
import { isTunnelStep } from "./tunnel-step.ts";
import { NESTING_MAX, View } from "./view.ts";

export { ETHERNET_FIRST };

/** A script writes to a packet that it was declared to read only, or of which it sees only the start. */
export class ReadOnlyPacketError extends ConfigurationError {
  override readonly code: string = "read-only-packet";
}

/** The place of a packet on its way through the machine (netfilter's hooks). */
export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** What a packet begins with: an Ethernet header, or the header that an EtherType names. */
export type FirstLayer = "ethernet" | "network";

export { NESTING_MAX };

export class Packet extends View {
  /** Bytes the packet has in all; more than `lengthBytes` when only its start was copied. */
  fullLengthBytes = 0;
  /** Milliseconds since 1970 at which the packet was seen, with a fraction. */
  time = 0;
  hook: Hook | undefined = undefined;
  /** Names of the interfaces; empty where there is none at this hook. */
  inInterface = "";
  outInterface = "";
  /** Whether this is several segments in one, as offloads make them (up to 64 KiB and beyond). */
  isAggregate = false;
  /** Whether somebody wrote to it. */
  isChanged = false;
  /** The mark was set, to be given back with the verdict. */
  isMarkChanged = false;
  /** The EtherType of the first header when that is not Ethernet's own. */
  $etherType = 0;
  $first: FirstLayer = "network";
  /** How far the packet may grow in its memory; growing further takes it to a memory of its own. */
  $limit = 0;
  /** Why writing is refused; empty when it is not. */
  $readOnly = "";
  /** Whether {@link find} looks into tunnels. */
  $looksIntoTunnels = true;
  /** Where the connection tracker's entry is read from. */
  $connection: ((packet: Packet) => Connection | undefined) | undefined = undefined;
  #mark = 0;
  /** By the protocols' indices; those of further headers of one protocol hang on the first. */
  readonly $byProtocol: (View | undefined)[] = [];
  /** Views of bytes without a protocol; the first ones belong to this packet. */
  readonly #raws: View[] = [];
  #rawCount = 0;
  /** Those aimed at this packet, the first ones of the list. */
  readonly $aimed: View[] = [];
  $aimedCount = 0;

  constructor() {
    super(undefined, rootProtocol);
    this.$generation = 1;
  }

  /**
   * The first header, when it is of `protocol`. A header of the network layer is found behind Ethernet and its tags as
   * well, so that a script is the same at an IP hook, on a bridge and over a capture.
   */
  override payload<V extends View>(protocol: Protocol<V>): V | undefined;
  override payload(): View;
  override payload<V extends View>(protocol?: Protocol<V>): V | View | undefined {
    if (protocol === undefined) return this.$raw(this.$start, this.$end, this);
    let wanted = FIRST_IN_PACKETS[protocol.index];
    if (wanted === undefined) wanted = learn(protocol);
    if (wanted !== "any" && !wanted.includes(this.$etherType)) {
      return this.$first === "ethernet" && wanted.length > 0 ? this.#behindLink(protocol) : undefined;
    }
    return protocol.aim(this, this.$start, this.$end, this, false);
  }

  /** The first header, when it is of `protocol` itself: {@link payload} without what is behind the link's headers. */
  $begin(protocol: Protocol): View | undefined {
    const wanted = FIRST_IN_PACKETS[protocol.index] ?? learn(protocol);
    if (wanted !== "any" && !wanted.includes(this.$etherType)) return undefined;
    return protocol.aim(this, this.$start, this.$end, this, false);
  }

  #behindLink<V extends View>(protocol: Protocol<V>): V | undefined {
    let view = carried(this);
    for (let depth = 0; depth < NESTING_MAX && view !== undefined; depth++) {
      if (!LINK_LAYER.has(view.$of.name)) return undefined;
      const found = view.payload(protocol);
      if (found !== undefined) return found;
      view = carried(view);
    }
    return undefined;
  }

  /** The netfilter mark (skb->mark), 32 bits; setting it goes with the verdict. */
  get mark(): number {
    return this.#mark;
  }

  set mark(value: number) {
    this.#mark = value >>> 0;
    this.isMarkChanged = true;
  }

  /** What the connection tracker knows about the packet's connection; `undefined` when it was not asked to tell. */
  get connection(): Connection | undefined {
    return this.$connection?.(this);
  }

  /**
   * The first header of `protocol`, behind whatever there is of Ethernet, VLAN, PPPoE, IPv4, IPv6, UDP and the like;
   * in tunnels as well, unless the script's options say `tunnels: false`.
   */
  find<V extends View>(protocol: Protocol<V>): V | undefined {
    if (!this.$looksIntoTunnels) return this.#findOutside(protocol);
    let view: View = this;
    for (let depth = 0; depth < NESTING_MAX; depth++) {
      const found = view.payload(protocol);
      if (found !== undefined) return found;
      const next = carried(view);
      if (next === undefined) return undefined;
      view = next;
    }
    return undefined;
  }

  #findOutside<V extends View>(protocol: Protocol<V>): V | undefined {
    let view: View = this;
    for (let depth = 0; depth < NESTING_MAX; depth++) {
      const found = nextIn(view, protocol);
      if (found !== undefined && !isTunnelStep(view.$of.name, protocol.name)) return found;
      const next = carried(view, "outside");
      if (next === undefined) return undefined;
      view = next;
    }
    return undefined;
  }

  /** All headers from the outermost to the innermost known one. */
  headers(): View[] {
    const found: View[] = [];
    let view: View = this;
    for (let depth = 0; depth < NESTING_MAX; depth++) {
      const next = carried(view, "any");
      if (next === undefined) break;
      found.push(next);
      view = next;
    }
    return found;
  }

  /**
   * Aims this object at other bytes; views of what it was aimed at before must not be used any more.
   * @param etherType of the first header; {@link ETHERNET_FIRST} when that is an Ethernet header
   */
  aim(data: DataView, start: number, lengthBytes: number, etherType: number): this {
    this.$data = data;
    this.$start = start;
    this.$end = start + lengthBytes;
    this.$limit = this.$end;
    this.$first = etherType === ETHERNET_FIRST ? "ethernet" : "network";
    this.$etherType = etherType;
    this.$generation++;
    this.$aimedCount = 0;
    this.#rawCount = 0;
    this.fullLengthBytes = lengthBytes;
    this.isChanged = false;
    this.isMarkChanged = false;
    this.isAggregate = false;
    this.#mark = 0;
    this.$connection = undefined;
    return this;
  }

  /** Sets the mark it came with. */
  $marked(mark: number): void {
    this.#mark = mark;
    this.isMarkChanged = false;
  }

  /**
   * Copies the bytes to a memory of their own, and every view with them: for what is decided later, when the memory
   * they came in has been given back.
   */
  keep(): this {
    const bytes = new Uint8Array(this.bytes());
    this.$move(new DataView(bytes.buffer), 0, bytes.length);
    return this;
  }

  /** Aims the packet and its views at other memory that holds the same bytes, from `start`. */
  $move(data: DataView, start: number, lengthBytes: number): void {
    const shift = start - this.$start;
    for (const view of this.$views()) {
      view.$data = data;
      view.$start += shift;
      view.$end += shift;
    }
    this.$data = data;
    this.$start = start;
    this.$end = start + lengthBytes;
    this.$limit = data.byteLength;
  }

  /** A free view of bytes that lie inside of `outer`; where that is gone from the packet, so is what lies inside. */
  $raw(start: number, end: number, outer: View): View {
    if (outer.$generation !== this.$generation) return goneFrom(this, outer, start, end);
    let view = this.#raws[this.#rawCount];
    if (view === undefined) {
      view = rawProtocol.make(this);
      this.#raws.push(view);
    }
    this.#rawCount++;
    view.$data = this.$data;
    view.$start = start;
    view.$end = Math.max(start, end);
    view.$outer = outer;
    view.$covered = true;
    view.$generation = this.$generation;
    this.$aimed[this.$aimedCount++] = view;
    return view;
  }

  /** Before every write. @throws ReadOnlyPacketError */
  $touch(): void {
    if (this.$readOnly !== "") throw new ReadOnlyPacketError(`Cannot write to the packet: ${this.$readOnly}`);
    this.isChanged = true;
  }

  /** Before the packet becomes longer or shorter. @throws ReadOnlyPacketError */
  $resizable(): void {
    this.$touch();
    if (this.isAggregate)
      throw new ReadOnlyPacketError("Cannot resize the packet: it is several segments in one");
    if (this.fullLengthBytes > this.lengthBytes)
      throw new ReadOnlyPacketError("Cannot resize the packet: only its start is here");
  }

  /** A view that is aimed at nothing any more. */
  $forget(view: View): void {
    const index = this.$aimed.indexOf(view);
    if (index < 0 || index >= this.$aimedCount) return;
    this.$aimedCount--;
    this.$aimed[index] = this.$aimed[this.$aimedCount] as View;
  }

  /** The views aimed at this packet. */
  *$views(): Iterable<View> {
    for (let index = 0; index < this.$aimedCount; index++) yield this.$aimed[index] as View;
  }
}

/** A view of bytes that a view has of its own since its place in the packet is gone. */
function goneFrom(packet: Packet, outer: View, start: number, end: number): View {
  const view = rawProtocol.make(packet);
  view.$data = outer.$data;
  view.$start = start;
  view.$end = Math.max(start, end);
  return view;
}

/** Headers in front of that of the network layer. */
const LINK_LAYER: ReadonlySet<string> = new Set(["ethernet", "vlan", "pppoe", "mpls"]);

/** The EtherTypes of protocols that a packet may begin with, by their indices. */
const FIRST_IN_PACKETS: (readonly number[] | "any" | undefined)[] = [];

function learn(protocol: Protocol): readonly number[] | "any" {
  while (FIRST_IN_PACKETS.length <= protocol.index) FIRST_IN_PACKETS.push(undefined);
  const wanted = protocol.numbersIn(rootProtocol);
  FIRST_IN_PACKETS[protocol.index] = wanted;
  return wanted;
}

/** The next header of a kind, see {@link nextProtocols}. */
function carried(view: View, which: NextKind = "carriers"): View | undefined {
  if (view.lengthBytes - view.$header <= 0) return undefined;
  const protocols = nextProtocols(view.$of, which);
  for (let at = 0; at < protocols.length; at++) {
    const next = nextIn(view, protocols[at] as Protocol);
    if (next !== undefined) return next;
  }
  return undefined;
}

/** A packet's `payload` looks behind the link's headers, by way of {@link carried}. */
function nextIn<V extends View>(view: View, protocol: Protocol<V>): V | undefined {
  return view === view.packet
    ? (view.packet.$begin(protocol as unknown as Protocol) as V | undefined)
    : view.payload(protocol);
}
