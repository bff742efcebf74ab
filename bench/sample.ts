/**
 * The message of ten tuples that the benchmarks send about: what a DHCP lookup looks like.
 * @module
 */
import { mac } from "#base/mac-address.ts";
import { type Message, message } from "#mailbox/message.ts";

const CHADDR: Uint8Array = Uint8Array.of(2, 0, 0, 0xab, 0xcd, 0x01);
const CLIENT_ID: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index);

/** With the bus's own types. */
export function sampleMessage(): Message {
  return message({
    xid: 3_735_928_559,
    chaddr: mac(CHADDR),
    hostname: "laptop-of-somebody",
    vendor: "MSFT 5.0",
    interface: "lan0",
    circuit: "switch7 port 12",
    tentative: true,
    lease: 3600,
    "client-id": CLIENT_ID,
    load: 0.25,
  });
}

/** The same as plain values, for codecs that know no addresses. */
export function samplePairs(): [string, unknown][] {
  return [...sampleMessage()].map(([tag, value]) => [tag, tag === "chaddr" ? CHADDR : value]);
}
