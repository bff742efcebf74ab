/**
 * Pieces of the system as mailboxes: HTTP servers, timers and sockets, with the names of the MetaNet paper (§4, §9).
 * Each `new` makes the mailboxes of one object under the name it is given; `src/object/README.md` lists them.
 * @module
 */
import { contract, type RegistryOf, t } from "./contract.ts";

const name = t.text("the object's name, a path such as /captive/server; its mailboxes are below it");

export const system = contract("system", "Sockets, HTTP servers and timers as mailboxes", {
  "/system/http/server/new": {
    says: "Make an HTTP server: NAME/request for each request, answered at CLIENT/response; NAME/close ends it.",
    kind: "call",
    sent: "anyone",
    tags: {
      name,
      port: t.uint16("TCP port; 0 for any free one"),
      address: t.ip("the address to listen on; every IPv4 address when absent").optional(),
    },
    answer: { port: t.uint16("the port it listens on"), address: t.ip("the address it listens on") },
  },
  "/system/timer/new": {
    says: "Make a timer: NAME/tick when it is time; NAME/cancel ends it.",
    kind: "call",
    sent: "anyone",
    tags: {
      name,
      interval: t.duration("milliseconds to the tick, 1 or more"),
      repeat: t.boolean("tick again and again; default false: once").optional(),
    },
    answer: {},
  },
  "/system/socket/new": {
    says: "Make a stream socket: NAME/bind or NAME/connect, then NAME/new_client, NAME/read, NAME/write, NAME/close.",
    kind: "call",
    sent: "anyone",
    tags: { name },
    answer: {},
  },
});

declare module "#mailbox/registry.ts" {
  interface Registry extends RegistryOf<typeof system> {}
}
