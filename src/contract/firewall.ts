/**
 * The mailboxes of the firewall broker: who may pass from the inside to the outside, and how much they did.
 * @module
 */
import { contract, type RegistryOf, t } from "./contract.ts";

export const firewall = contract("firewall", "Who may pass from the inside to the outside", {
  "/firewall/permit": {
    says: "Let a client pass to the outside. Asking again changes mark and timeout and keeps the counters.",
    kind: "call",
    sent: "anyone",
    // A listener that was to have a say and cannot must not become a yes.
    guarded: true,
    tags: {
      mac: t.mac("the client's hardware address"),
      address: t.ip("the client's address, IPv4 or IPv6; it can belong to one client only"),
      timeout: t.duration("milliseconds until the permit ends by itself; for ever when absent").optional(),
      mark: t.uint32("the mark its packets get; default 1").optional(),
      interface: t.text("the interface the client is on; the inside interface when absent").optional(),
    },
    answer: {},
  },
  "/firewall/revoke": {
    says: "Stop a client's packets, those of open connections too.",
    kind: "call",
    sent: "anyone",
    tags: {
      mac: t.mac("the client's hardware address"),
      address: t.ip("one of its addresses; all of them when absent").optional(),
    },
    answer: { revoked: t.uint("how many permits ended") },
  },
  "/firewall/counters": {
    says: "Who may pass, and what has passed since the permit: lists of the same length.",
    kind: "call",
    sent: "anyone",
    tags: {
      mac: t.mac("this client only; all when absent").optional(),
      limit: t.uint("how many at the most; a frame between processes holds about 10,000").optional(),
      after: t.ip("with limit: only addresses sorted behind this one, the next page").optional(),
    },
    answer: {
      mac: t.list("mac", "hardware addresses"),
      address: t.list("ip", "addresses"),
      mark: t.list("uint32", "marks"),
      "up-packets": t.list("uint", "packets to the outside"),
      "up-bytes": t.list("uint", "bytes to the outside, with IP header"),
      "down-packets": t.list("uint", "packets to the client"),
      "down-bytes": t.list("uint", "bytes to the client, with IP header"),
      expires: t.list("duration", "milliseconds until the permit ends by itself; 0 means never"),
      more: t.boolean("there is another page"),
    },
  },
  "/firewall/permitted": {
    says: "A client may pass now, or with another mark or timeout than before.",
    kind: "event",
    sent: "firewall",
    tags: {
      mac: t.mac("the client's hardware address"),
      address: t.ip("the client's address"),
      mark: t.uint32("the mark its packets get"),
      timeout: t.duration("milliseconds until the permit ends by itself; absent means never").optional(),
    },
  },
  "/firewall/revoked": {
    says: "A client may not pass any more.",
    kind: "event",
    sent: "firewall",
    tags: {
      mac: t.mac("the client's hardware address"),
      address: t.ip("the client's address"),
      reason: t.text(
        "asked, expired, replaced (the address belongs to another client now) or refused (by a new policy)",
      ),
    },
  },
  "/firewall/restored": {
    says: "Somebody else removed or changed our rules in the kernel; they are back, with all permits.",
    kind: "event",
    sent: "firewall",
    tags: { permits: t.uint("how many permits were put back") },
  },
});

declare module "#mailbox/registry.ts" {
  interface Registry extends RegistryOf<typeof firewall> {}
}
