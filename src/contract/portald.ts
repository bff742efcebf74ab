/**
 * The portal's mailboxes: every step from a caught request to the end of a session.
 * @module
 */
import { contract, type RegistryOf, t } from "./contract.ts";

const limits = {
  idle: t.duration("closed after so long without traffic, in milliseconds; 0 is never").optional(),
  session: t.duration("closed so long after the login, in milliseconds; 0 is never").optional(),
  quota: t.uint("closed after so many bytes up and down together; 0 is no limit").optional(),
};

const usage = {
  mac: t.mac("the client"),
  user: t.text("who logged in, when somebody said").optional(),
  since: t.time("when the session was opened"),
  "up-bytes": t.uint("bytes from the client"),
  "down-bytes": t.uint("bytes to the client"),
};

export const portald = contract(
  "portald",
  "The captive portal: who is let in, on what terms, and what they see",
  {
    "/portald/request": {
      says: "A request has come in. Change `location` to redirect it elsewhere, reject it with a reason the client reads.",
      kind: "decision",
      sent: "portald",
      tags: {
        address: t.ip("the client"),
        method: t.text("such as GET"),
        host: t.text("the Host it asked for, lower case"),
        path: t.text("percent-encoded, without the query"),
        query: t.text("percent-encoded; may hold what a form sent").secret(),
        caught: t.boolean("it was meant for another host, and the firewall brought it here"),
        probe: t.text("the system that looks for portals in this way").optional(),
        location: t.text("where the client is redirected to").optional(),
      },
    },
    "/portald/authenticate": {
      says: "May this client log in? Reject with a reason it will read; set `user` to say who it is. Without listeners everybody may.",
      kind: "decision",
      sent: "portald",
      guarded: true,
      tags: {
        mac: t.mac("the client"),
        address: t.ip("the client"),
        field: t.list("text", "names of the login form's fields"),
        value: t.list("text", "their values, in the same order").secret(),
        user: t.text("who it is").optional(),
      },
    },
    "/portald/login": {
      says: "Open a session. Listeners may change its terms or reject it; anybody with the right may send one.",
      kind: "call",
      sent: "anyone",
      serial: "mac",
      tags: {
        mac: t.mac("the client"),
        address: t.ip("the address to let pass; the client's others are added as they are seen"),
        user: t.text("who it is").optional(),
        ...limits,
      },
      answer: { ...limits, since: t.time("when the session was opened") },
    },
    "/portald/logout": {
      says: "Close a session. Listeners may reject it; anybody with the right may send one.",
      kind: "call",
      sent: "anyone",
      serial: "mac",
      tags: { mac: t.mac("the client"), reason: t.text("why, for listeners; default `user`").optional() },
      answer: {
        closed: t.boolean("there was a session"),
        revoked: t.boolean("the firewall has closed the door; if not it is asked until it has"),
      },
    },
    "/portald/idle": {
      says: "A client has been idle for its time and will be logged out, unless rejected, stopped or given a longer `idle`.",
      kind: "decision",
      sent: "portald",
      tags: { ...usage, idle: t.duration("its idle time-out in milliseconds") },
    },
    "/portald/quota": {
      says: "A client has used its volume and will be logged out, unless rejected, stopped or given a larger `quota`.",
      kind: "decision",
      sent: "portald",
      tags: { ...usage, quota: t.uint("its volume in bytes") },
    },
    "/portald/page": {
      says: "A page is about to be shown. Change its words, or set `html` to show another page altogether.",
      kind: "decision",
      sent: "portald",
      tags: {
        page: t.text("login, welcome, status, goodbye or error"),
        language: t.text("of the words, such as en"),
        title: t.text("the network's name, on every page"),
        heading: t.text("the headline"),
        text: t.text("the paragraph below it").optional(),
        notice: t.text("something to be pointed out, such as why a login was refused").optional(),
        button: t.text("on the button, where there is one").optional(),
        mac: t.mac("the client, where it is known").optional(),
        address: t.ip("the client"),
        url: t.text("what the client wanted before it was caught").optional(),
        token: t.text("to be sent back by a form as `token`").secret().optional(),
        html: t.text("the whole page, unescaped, in place of the portal's own").optional(),
        policy: t.text("the Content-Security-Policy that comes with `html`").optional(),
      },
    },
    "/portald/opened": {
      says: "A session has been opened.",
      kind: "event",
      sent: "portald",
      tags: {
        mac: t.mac("the client"),
        user: t.text("who it is").optional(),
        address: t.list("ip", "its addresses"),
      },
    },
    "/portald/closed": {
      says: "A session has been closed.",
      kind: "event",
      sent: "portald",
      tags: { ...usage, reason: t.text("logged-out, idle-out, timed-out or over-quota") },
    },
    "/portald/sessions": {
      says: "The open sessions, sorted by MAC address, as lists of equal length.",
      kind: "call",
      sent: "anyone",
      tags: {
        after: t.mac("only sessions sorted behind this one: the next page").optional(),
        limit: t.uint("how many at the most; default 1000").optional(),
      },
      answer: {
        mac: t.list("mac", "clients"),
        user: t.list("text", "who they are; empty when nobody said"),
        addresses: t.list("text", "each client's addresses, with blanks between"),
        since: t.list("time", "when opened"),
        active: t.list("time", "when there was traffic last, as far as the counters tell"),
        "up-bytes": t.list("uint", "bytes from the client"),
        "down-bytes": t.list("uint", "bytes to the client"),
        idle: t.list("duration", "idle time-outs in milliseconds"),
        session: t.list("duration", "session time-outs in milliseconds"),
        quota: t.list("uint", "volumes in bytes"),
        more: t.boolean("there is another page"),
      },
    },
    "/portald/statistics": {
      says: "What the portal has counted since it started.",
      kind: "call",
      sent: "anyone",
      tags: {},
      answer: {
        sessions: t.uint("open now"),
        requests: t.uint("HTTP requests read whole"),
        redirects: t.uint("caught requests sent to the login page"),
        probes: t.uint("of those, probes of operating systems"),
        logins: t.uint("sessions opened"),
        refusals: t.uint("logins refused by a listener"),
        "token-failures": t.uint("forms with a wrong or old token"),
        "unknown-clients": t.uint("requests from addresses without a MAC address"),
        "refused-addresses": t.uint("addresses of clients that the firewall's policy refused"),
        "firewall-failures": t.uint("calls to the firewall that failed"),
        "store-failures": t.uint("sessions that could not be kept"),
        "http-malformed": t.uint("requests that were not HTTP"),
        "http-hostless": t.uint("requests without Host"),
        "http-too-large": t.uint("requests over a size limit"),
        "http-slow": t.uint("clients too slow"),
        "http-refused": t.uint("connections over the limit"),
        "http-failures": t.uint("requests the portal failed to answer"),
      },
    },
  },
);

declare module "#mailbox/registry.ts" {
  interface Registry extends RegistryOf<typeof portald> {}
}
