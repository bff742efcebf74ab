/**
 * ARP (RFC 826) for IPv4 over Ethernet; other kinds are not seen as ARP.
 * @module
 */
import type { Ipv4Input, MacInput } from "./address.ts";
import { carriedByEtherType, EtherType, macCodec } from "./ethernet.ts";
import type { InputsOf } from "./field.ts";
import { ipv4Codec } from "./ipv4.ts";
import { defineProtocol, type Protocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** What an ARP message wants. */
export const ArpOperation = { request: 1, reply: 2 } as const;

export interface ArpView extends View {
  readonly hardwareType: number;
  readonly protocolType: number;
  readonly hardwareBytes: number;
  readonly protocolBytes: number;
  /** See {@link ArpOperation}. */
  operation: number;
  get senderMac(): number;
  set senderMac(address: MacInput);
  get sender(): number;
  set sender(address: Ipv4Input);
  get targetMac(): number;
  set targetMac(address: MacInput);
  get target(): number;
  set target(address: Ipv4Input);
}

const fields = {
  hardwareType: { at: 0, bits: 16 },
  protocolType: { at: 16, bits: 16 },
  hardwareBytes: { at: 32, bits: 8 },
  protocolBytes: { at: 40, bits: 8 },
  operation: { at: 48, bits: 16 },
  senderMac: { at: 64, bits: 48, as: macCodec },
  sender: { at: 112, bits: 32, as: ipv4Codec },
  targetMac: { at: 144, bits: 48, as: macCodec },
  target: { at: 192, bits: 32, as: ipv4Codec },
} as const;

export const arp = defineProtocol({
  name: "arp",
  fields,
  carriedBy: carriedByEtherType(EtherType.arp),
  accepts: ({ protocolType, hardwareBytes, protocolBytes }) =>
    protocolType === EtherType.ipv4 && hardwareBytes === 6 && protocolBytes === 4,
  initial: {
    hardwareType: 1,
    protocolType: EtherType.ipv4,
    hardwareBytes: 6,
    protocolBytes: 4,
    operation: 1,
  },
}) as unknown as Protocol<ArpView, InputsOf<typeof fields>>;
