/**
 * ICMP (RFC 792) and the packets that its errors are about.
 * @module
 */
import type { Ipv4Input } from "./address.ts";
import type { InputsOf } from "./field.ts";
import { IpProtocol, ipv4Codec } from "./ipv4.ts";
import { defineProtocol, type Protocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** ICMP's types as IANA lists them. */
export const IcmpType = {
  echoReply: 0,
  destinationUnreachable: 3,
  sourceQuench: 4,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
  timestamp: 13,
  timestampReply: 14,
} as const;

export interface IcmpView extends View {
  /** See {@link IcmpType}. */
  type: number;
  code: number;
  checksum: number;
  /** Of queries and their answers. */
  identifier: number;
  /** Of queries and their answers. */
  sequence: number;
  /** Of "fragmentation needed" (RFC 1191). */
  mtu: number;
  /** Of a redirect; takes text as well. */
  get gateway(): number;
  set gateway(address: Ipv4Input);
  /** Whether this tells of another packet, whose start is the payload: `icmp.payload(ipv4)`. */
  readonly isError: boolean;
}

const fields = {
  type: { at: 0, bits: 8 },
  code: { at: 8, bits: 8 },
  checksum: { at: 16, bits: 16 },
  identifier: { at: 32, bits: 16 },
  sequence: { at: 48, bits: 16 },
  mtu: { at: 48, bits: 16 },
  gateway: { at: 32, bits: 32, as: ipv4Codec },
} as const;

/** `find` does not look behind it: the packet of an error is not the packet. */
export const icmp = defineProtocol({
  name: "icmp",
  fields,
  carriedBy: { ipv4: IpProtocol.icmp },
  announces: (message) => (isError(message.type) ? 1 : 0),
  checksum: { at: 2, covers: "all" },
  methods: {
    get isError(): boolean {
      return isError(this.type);
    },
  },
}) as unknown as Protocol<IcmpView, InputsOf<typeof fields>>;

function isError(type: number): boolean {
  return (
    type === IcmpType.destinationUnreachable ||
    type === IcmpType.sourceQuench ||
    type === IcmpType.redirect ||
    type === IcmpType.timeExceeded ||
    type === IcmpType.parameterProblem
  );
}
