/**
 * The mailboxes under /sys that every process has: what it offers, who listens, and what passes.
 * @module
 */
import { contract, type RegistryOf, t } from "./contract.ts";

export const sys = contract("sys", "What every process tells about itself", {
  "/sys/list": {
    says: "The mailboxes of this process, sorted by path.",
    kind: "call",
    sent: "anyone",
    tags: {
      prefix: t.text("only mailboxes whose path begins so").optional(),
      after: t.text("only mailboxes sorted behind this path: the next page").optional(),
      limit: t.uint("how many at the most; default 1000").optional(),
    },
    answer: {
      path: t.list("text", "paths"),
      kind: t.list("text", "call, decision, request, event or -"),
      listeners: t.list("uint", "how many listen"),
      observers: t.list("uint", "how many observe"),
      messages: t.list("uint", "messages so far"),
      away: t.list("uint", "listeners whose process is gone").optional(),
      suspended: t.list("uint", "listeners passed over because they failed three times in a row").optional(),
      more: t.boolean("there is another page"),
    },
  },
  "/sys/listeners": {
    says: "The listeners and observers of a mailbox, in the order they are asked.",
    kind: "call",
    sent: "anyone",
    tags: { path: t.text("the mailbox") },
    answer: {
      identity: t.list("text", "process/label"),
      role: t.list("text", "listener or observer"),
      state: t.list("text", "attached, away or suspended"),
      band: t.list("int", "lower comes first"),
      rule: t.list(
        "text",
        "where the operator wrote the rule that chose the band; empty when the listener did",
      ),
      timeout: t.list("duration", "milliseconds; 0 when only the budget limits it"),
      calls: t.list("uint", "messages offered"),
      errors: t.list("uint", "exceptions and verdicts that are none"),
      timeouts: t.list("uint", "verdicts that did not come in time"),
      late: t.list("uint", "verdicts that came too late"),
    },
  },
  "/sys/statistics": {
    says: "Counters of this process, or of one mailbox.",
    kind: "call",
    sent: "anyone",
    tags: { path: t.text("the mailbox; the process when absent").optional() },
    answer: {
      messages: t.uint("messages delivered"),
      stopped: t.uint("chains a listener stopped"),
      rejected: t.uint("chains a listener rejected"),
      answered: t.uint("calls answered"),
      parked: t.uint("messages that waited for a promise"),
      "posts-failed": t.uint("posted messages that failed").optional(),
      "observer-errors": t.uint("observers that threw").optional(),
      "contract-errors": t.uint("messages of others that did not fit a contract").optional(),
      links: t.uint("links to other processes now").optional(),
      violations: t.uint("links ended because the other side broke the protocol").optional(),
      malformed: t.uint("frames whose content could not be read").optional(),
      denied: t.uint("requests of users without the right").optional(),
      "copies-dropped": t.uint("copies for observers that were too slow").optional(),
      overflows: t.uint("messages refused because a link's queue was full").optional(),
      late: t.uint("answers that came after their deadline").optional(),
      refused: t.uint("connections refused for want of room").optional(),
      "posts-lost": t.uint("posted messages whose process could not be reached").optional(),
    },
  },
  "/sys/links": {
    says: "The links of this process to others, as they are now.",
    kind: "call",
    sent: "anyone",
    tags: {},
    answer: {
      peer: t.list("text", "the other process; ? before it has said its name"),
      uid: t.list("int", "its user, as the kernel says; -1 when it does not"),
      pid: t.list("int", "its process, as the kernel says; -1 when it does not"),
      initiated: t.list("boolean", "this process made the connection"),
      guests: t.list("uint", "its listeners and observers here"),
      pending: t.list("uint", "requests that wait for its answer"),
      "waiting-bytes": t.list("uint", "bytes it has not taken"),
      "frames-sent": t.list("uint", "frames sent"),
      "frames-received": t.list("uint", "frames received"),
      "copies-dropped": t.list("uint", "copies it was too slow for"),
      overflows: t.list("uint", "messages refused because its queue was full"),
      malformed: t.list("uint", "frames of it whose content could not be read"),
      late: t.list("uint", "answers of it that came after their deadline"),
      denied: t.list("uint", "requests it had no right to"),
    },
  },
  "/sys/describe": {
    says: "What the contract says of a mailbox: one line of text for each tag.",
    kind: "call",
    sent: "anyone",
    tags: { path: t.text("the mailbox") },
    answer: {
      says: t.text("what it is for"),
      kind: t.text("call, decision, request, event or -"),
      tags: t.list("text", "NAME KIND TRAITS: PROSE for each tag taken"),
      answers: t.list("text", "the same for each tag answered"),
    },
  },
  "/sys/event": {
    says: "Something happened to a mailbox or a listener of this process.",
    kind: "event",
    sent: "every process",
    tags: {
      event: t.text("created, removed, attached, detached, away, back, suspended, refused or listener-error"),
      mailbox: t.text("its path"),
      listener: t.text("process/label").optional(),
      text: t.text("what went wrong, or who refused").optional(),
    },
  },
  "/sys/trace": {
    says: "What happened to one message, for every mailbox that somebody traces.",
    kind: "event",
    sent: "every process",
    tags: {
      mailbox: t.text("its path"),
      sender: t.text("the process it came from"),
      trace: t.text("names the message and all that it caused").optional(),
      outcome: t.text("continue, stop, answer or reject: REASON"),
      listeners: t.list("text", "who was asked, in order"),
      verdicts: t.list("text", "what each said; a change names its tags"),
      took: t.list("float", "milliseconds each took"),
      tags: t.list("text", "the message's tags"),
      values: t.list("text", "the message's values, as text"),
    },
  },
  "/sys/trace/start": {
    says: "Traces a mailbox to /sys/trace until the time is over.",
    kind: "call",
    sent: "anyone",
    tags: {
      path: t.text("the mailbox"),
      duration: t.duration("milliseconds; default a minute, at most an hour").optional(),
    },
    answer: {},
  },
});

declare module "#mailbox/registry.ts" {
  interface Registry extends RegistryOf<typeof sys> {}
}
