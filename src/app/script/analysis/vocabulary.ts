/**
 * The names by which the reading of a script knows what touches a packet: taken from the protocols themselves where
 * they tell, so that a new protocol needs nothing here unless it is one of headers only.
 * @module
 */

import { DnsQuestion, DnsRecord } from "#packet/dns.ts";
import { Packet } from "#packet/packet.ts";
import { protocols } from "#packet/protocol.ts";
import { View } from "#packet/view.ts";
import * as entry from "../../script.ts";

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

/** Protocols that lie in the first {@link HEADER_BYTES} of a packet; all others need the whole packet. */
const HEADER_PROTOCOLS: ReadonlySet<string> = new Set(
  words("ethernet vlan arp ipv4 ipv6 icmp icmpv6 tcp udp pppoe gre mpls vxlan"),
);

/** Methods of views that change nothing. */
const READING: ReadonlySet<string> = new Set(
  words(`payload as slice is uint8 uint16 uint32 bytes copy text find headers keep indexOf route toString valueOf
    options option questions answers authorities additionals records field fieldView fields extension $has`),
);

/** What reads bytes that may lie behind the headers, or tells where they end. */
export const WHOLE_PACKET_NAMES: ReadonlySet<string> = new Set(
  words("slice uint8 uint16 uint32 bytes copy text headers keep indexOf lengthBytes"),
);

/** What changes a Uint8Array or a DataView, which may be of the packet's memory. */
const BYTES_MUTATING: readonly string[] = words(
  "set fill copyWithin sort reverse setInt8 setUint8 setInt16 setUint16 setInt32 setUint32 setBigInt64 setBigUint64 setFloat32 setFloat64",
);

/** Every name on an object and what it inherits. */
function namesOf(prototype: object): string[] {
  const found: string[] = [];
  for (let one: object | null = prototype; one !== null && one !== Object.prototype; ) {
    found.push(...Object.getOwnPropertyNames(one));
    one = Object.getPrototypeOf(one) as object | null;
  }
  return found;
}

function prototypes(): object[] {
  const packet = new Packet();
  return [
    Packet.prototype,
    View.prototype,
    // What views give that is no view, and writes to the packet as well.
    DnsQuestion.prototype,
    DnsRecord.prototype,
    ...protocols().map((protocol) => Object.getPrototypeOf(protocol.make(packet)) as object),
  ];
}

function isMethod(prototype: object, name: string): boolean {
  for (let one: object | null = prototype; one !== null; one = Object.getPrototypeOf(one) as object | null) {
    const found = Object.getOwnPropertyDescriptor(one, name);
    if (found !== undefined) return typeof found.value === "function";
  }
  return false;
}

export interface Vocabulary {
  /** Properties whose assignment changes a packet. */
  readonly fields: ReadonlySet<string>;
  /** Properties that are numbers, texts or the like: handing them on hands on no packet. */
  readonly scalars: ReadonlySet<string>;
  /** Methods that may change a packet or its bytes. */
  readonly mutating: ReadonlySet<string>;
  /** Exports of metanet/script that need the whole packet where they are used. */
  readonly payloadProtocols: ReadonlySet<string>;
  /** Those that lie in the headers. */
  readonly headerProtocols: ReadonlySet<string>;
}

/** Properties of the packet object itself that say something about it; setting them changes no byte. */
const ABOUT: readonly string[] = words(
  "packet fullLengthBytes time hook inInterface outInterface isAggregate isChanged isMarkChanged mark connection outer lengthBytes headerBytes offsetBytes constructor",
);

let known: Vocabulary | undefined;

/** The names, found out once. */
export function vocabulary(): Vocabulary {
  known ??= find();
  return known;
}

function find(): Vocabulary {
  const fields = new Set<string>();
  const methods = new Set<string>();
  const scalars = new Set(
    words(
      "fullLengthBytes time hook inInterface outInterface isAggregate isChanged mark lengthBytes headerBytes offsetBytes",
    ),
  );
  for (const prototype of prototypes()) {
    for (const name of namesOf(prototype)) (isMethod(prototype, name) ? methods : fields).add(name);
  }
  for (const name of ABOUT) fields.delete(name);
  for (const { fields: declared } of protocols()) {
    for (const [name, { as }] of Object.entries(declared)) if (as !== "bytes") scalars.add(name);
  }
  const mutating = new Set([...methods].filter((name) => !READING.has(name) && !ABOUT.includes(name)));
  for (const name of BYTES_MUTATING) mutating.add(name);
  const own = new Set<unknown>(protocols());
  const exported = Object.entries(entry).filter(([, value]) => own.has(value));
  const isHeader = (name: string): boolean => HEADER_PROTOCOLS.has(name);
  return {
    fields,
    scalars,
    mutating,
    payloadProtocols: new Set(exported.map(([name]) => name).filter((name) => !isHeader(name))),
    headerProtocols: new Set(exported.map(([name]) => name).filter(isHeader)),
  };
}
