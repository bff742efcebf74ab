/**
 * The mailboxes of the DHCP server: every decision on a packet's way, and what may be asked. Options of replies are
 * tags by name (`routers`, `domain-name-servers`, `captive-portal` …), unknown ones `option-N` as bytes; a listener
 * that sets one gets it sent.
 * @module
 */
import { contract, type RegistryOf, t } from "./contract.ts";

const client = {
  xid: t.uint32("the client's transaction, the same in all messages of one exchange"),
  chaddr: t.mac("the client's hardware address; absent when it is not Ethernet's").optional(),
  client: t.text("who asks: the client identifier, else the hardware address, as a key"),
  kind: t.text("discover, selecting, init-reboot, renewing, release, decline or inform (RFC 2131 table 4)"),
  interface: t.text("the interface the packet came in on"),
  relay: t.ip4("the relay it came through (giaddr)").optional(),
  class: t.text("a class the client was put in by a listener of /dhcpd/classify").optional().repeated(),
};

const asked = {
  ...client,
  "client-id": t.bytes("option 61, as it came").optional(),
  requested: t.ip4("the address the client wants, has or gives back").optional(),
  hostname: t.text("option 12, what the client calls itself").optional(),
  parameters: t.list("uint8", "option 55, the options the client wants, in its order").optional(),
  "vendor-class": t.text("option 60").optional(),
  "user-class": t.bytes("option 77, as it came").optional(),
  "circuit-id": t.bytes("option 82.1: the relay's port the client is on").optional(),
  "remote-id": t.bytes("option 82.2: the relay's name for the client").optional(),
};

const reply = {
  ...client,
  address: t.ip4("the address the client gets"),
  "lease-time": t.duration("milliseconds until the lease ends (option 51)").optional(),
};

export const dhcpd = contract(
  "dhcpd",
  "The DHCPv4 server: who gets which address, and what else they are told",
  {
    "/dhcpd/packet": {
      says: "A packet that is a DHCP message has arrived; stop or reject to drop it.",
      kind: "decision",
      sent: "dhcpd",
      tags: {
        interface: t.text("the interface it came in on"),
        source: t.ip4("the sender's address; 0.0.0.0 for a client without one"),
        payload: t.bytes("the UDP payload"),
      },
    },
    "/dhcpd/classify": {
      says: "Put the client in classes: add tags `class`, which all later messages of the exchange carry.",
      kind: "decision",
      sent: "dhcpd",
      tags: asked,
    },
    "/dhcpd/subnet": {
      says: "The subnet has been chosen; change it to another that is configured.",
      kind: "decision",
      sent: "dhcpd",
      tags: { ...asked, subnet: t.prefix("the subnet the client is to be in") },
    },
    "/dhcpd/lookup": {
      says: "Which address? Answer with /dhcpd/lookup-response and stop, or change `address`; else the pool answers.",
      kind: "decision",
      sent: "anyone",
      tags: {
        ...asked,
        subnet: t.prefix("the subnet the client is in"),
        tentative: t.boolean("true for a DISCOVER: the client may choose another server").optional(),
        address: t.ip4("the address the client is to get").optional(),
      },
    },
    "/dhcpd/lookup-response": {
      says: "The answer to a lookup: an address, and with it options as in a reply; without an address the pool decides.",
      kind: "request",
      sent: "anyone",
      tags: {
        xid: t.uint32("the lookup's transaction"),
        chaddr: t.mac("the client's hardware address").optional(),
        address: t.ip4("the address the client is to get").optional(),
        "lease-time": t.duration("milliseconds; the subnet's own when absent").optional(),
        source: t.text("who answers; `pool` is the server itself").optional(),
      },
    },
    "/dhcpd/offer": {
      says: "An address is about to be offered; change its options, or stop to offer nothing.",
      kind: "decision",
      sent: "dhcpd",
      tags: reply,
    },
    "/dhcpd/commit": {
      says: "A lease is about to be kept and acknowledged; reject to refuse the client with a NAK.",
      kind: "decision",
      sent: "dhcpd",
      tags: reply,
    },
    "/dhcpd/renew": {
      says: "A lease is about to be prolonged; reject to end it with a NAK.",
      kind: "decision",
      sent: "dhcpd",
      tags: reply,
    },
    "/dhcpd/release": {
      says: "A client gives its lease back; stop or reject to keep the lease.",
      kind: "decision",
      sent: "dhcpd",
      tags: { ...client, address: t.ip4("the address it gives back") },
    },
    "/dhcpd/decline": {
      says: "A client found its address in use, and nobody will get it for a while; stop or reject to disbelieve it.",
      kind: "decision",
      sent: "dhcpd",
      tags: { ...client, address: t.ip4("the address in use") },
    },
    "/dhcpd/expire": {
      says: "A lease has ended without being renewed.",
      kind: "event",
      sent: "dhcpd",
      tags: {
        address: t.ip4("the address that is free again"),
        chaddr: t.mac("the client's hardware address").optional(),
        client: t.text("whose it was"),
      },
    },
    "/dhcpd/reply": {
      says: "A reply is about to be sent, its lease being kept; change its options, or stop to send nothing.",
      kind: "decision",
      sent: "dhcpd",
      tags: {
        ...reply,
        type: t.text("offer, ack or nak"),
      },
    },
    "/dhcpd/leases": {
      says: "The leases of all subnets by address, in columns of the same length, a page at a time.",
      kind: "call",
      sent: "anyone",
      tags: {
        state: t.text("only leases that are offered, bound, released, expired or declined").optional(),
        after: t.ip4("only addresses behind this one: the `next` of the page before").optional(),
        limit: t.uint("leases at the most; default and maximum 1000").optional(),
      },
      answer: {
        address: t.list("ip4", "addresses"),
        client: t.list("text", "who has or had them"),
        chaddr: t.list("text", "hardware addresses"),
        state: t.list("text", "offered, bound, released, expired or declined"),
        expires: t.list("time", "when offer, lease or quarantine ends or ended"),
        hostname: t.list("text", "what the clients call themselves; empty when they do not say"),
        next: t.ip4("there may be more behind this address").optional(),
      },
    },
    "/dhcpd/statistics": {
      says: "What the server has received, sent, dropped and left to the pool, since its start.",
      kind: "call",
      sent: "anyone",
      tags: {},
      answer: {
        counter: t.list("text", "names, as the manual page lists them"),
        count: t.list("uint", "how often, in the same order"),
      },
    },
  },
);

declare module "#mailbox/registry.ts" {
  interface Registry extends RegistryOf<typeof dhcpd> {}
}
