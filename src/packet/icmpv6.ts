/**
 * ICMPv6 (RFC 4443) with neighbour discovery (RFC 4861), and the packets that its errors are about.
 * @module
 */
import type { Ipv6Input } from "./address.ts";
import type { InputsOf } from "./field.ts";
import { IpProtocol } from "./ipv4.ts";
import { ipv6Codec } from "./ipv6.ts";
import { defineProtocol, type Protocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** ICMPv6's types as IANA lists them. */
export const Icmpv6Type = {
  destinationUnreachable: 1,
  packetTooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
} as const;

export interface Icmpv6View extends View {
  /** See {@link Icmpv6Type}. */
  type: number;
  code: number;
  checksum: number;
  /** Of an echo. */
  identifier: number;
  /** Of an echo. */
  sequence: number;
  /** Of "packet too big". */
  mtu: number;
  /** Of neighbour discovery and redirects; `undefined` in other messages. Takes text as well. */
  get target(): bigint | undefined;
  set target(address: Ipv6Input);
  /** Whether this tells of another packet, whose start is the payload: `icmpv6.payload(ipv6)`. */
  readonly isError: boolean;
  /** The data of the first option of neighbour discovery with this number; `undefined` without one. */
  option(number: number): View | undefined;
}

const fields = {
  type: { at: 0, bits: 8 },
  code: { at: 8, bits: 8 },
  checksum: { at: 16, bits: 16 },
  identifier: { at: 32, bits: 16 },
  sequence: { at: 48, bits: 16 },
  mtu: { at: 32, bits: 32 },
  // Nothing there in other messages.
  target: { at: 64, bits: (header: View) => (hasTarget(header) ? 128 : 0), as: ipv6Codec },
} as const;

/** `find` does not look behind it: the packet of an error is not the packet. */
export const icmpv6 = defineProtocol({
  name: "icmpv6",
  fields,
  headerBytes: 8,
  carriedBy: { ipv6: IpProtocol.icmpv6 },
  announces: (message) => (message.type < 128 ? 1 : 0),
  checksum: { at: 2, covers: "all", pseudoHeader: { 4: false, 6: true } },
  methods: {
    get isError(): boolean {
      return this.type < 128;
    },
    option(number: number): View | undefined {
      let at = optionsAt(this.type);
      if (at < 0) return undefined;
      for (let left = NEIGHBOUR_OPTION_COUNT_MAX; left > 0; left--) {
        // In units of 8 bytes; 0 ends it (RFC 4861 §4.6).
        const bytes = (this.uint8(at + 1) ?? 0) * 8;
        if (bytes === 0) return undefined;
        if (this.uint8(at) === number) return this.slice(at + 2, bytes - 2);
        at += bytes;
      }
      return undefined;
    },
  },
}) as unknown as Protocol<Icmpv6View, Omit<InputsOf<typeof fields>, "target">>;

/** Options that are looked at in one message. */
const NEIGHBOUR_OPTION_COUNT_MAX = 64;

function optionsAt(type: number): number {
  switch (type) {
    case Icmpv6Type.routerSolicitation:
      return 8;
    case Icmpv6Type.routerAdvertisement:
      return 16;
    case Icmpv6Type.neighbourSolicitation:
    case Icmpv6Type.neighbourAdvertisement:
      return 24;
    case Icmpv6Type.redirect:
      return 40;
    default:
      return -1;
  }
}

function hasTarget(header: View): boolean {
  const type = header.uint8(0) ?? 0;
  return type >= Icmpv6Type.neighbourSolicitation && type <= Icmpv6Type.redirect;
}
