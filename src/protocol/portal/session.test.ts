import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { type Duration, type Instant, seconds } from "#base/time.ts";
import {
  ADDRESS_COUNT_MAX,
  type CounterReading,
  Session,
  type SessionAction,
  type SessionLimits,
} from "./session.ts";
import { type SessionEvent, type SessionState, TRANSITIONS } from "./session-state.ts";

const MAC = mac("02:00:00:00:00:01");
const V4 = ip("10.77.0.100");
const V6 = ip("2001:db8::100");
const LIMITS: SessionLimits = { idle: seconds(60), session: seconds(1000), quotaBytes: 10_000 };

function at(count: number): Instant {
  return (count * 1000) as Instant;
}

function reading(upPackets: number, downPackets: number, bytes = 0, address = V4): CounterReading {
  return { address, upBytes: bytes, upPackets, downBytes: 0, downPackets };
}

/** An action as a word, so that tables stay short. */
function word(action: SessionAction): string {
  switch (action.do) {
    case "permit":
      return `permit ${action.address}${action.timeout === undefined ? "" : ` ${action.timeout / 1000}s`}`;
    case "revoke":
      return action.address ? `revoke ${action.address}` : "revoke";
    case "ask":
      return `ask ${action.why}`;
    case "tell":
      return action.what;
    default:
      return action.do;
  }
}

/** A client that has been let in at 0 s. */
function permitted(limits: SessionLimits = LIMITS): Session {
  const session = new Session(MAC);
  session.login(V4, limits, at(0));
  session.permitAnswered(V4, at(0));
  return session;
}

type Does = (session: Session, now: Instant) => readonly SessionAction[];
const login: Does = (session, now) => session.login(V4, LIMITS, now);
const login6: Does = (session, now) => session.login(V6, LIMITS, now);
const answered: Does = (session, now) => session.permitAnswered(V4, now);
const answered6: Does = (session, now) => session.permitAnswered(V6, now);
const failed: Does = (session, now) => session.permitFailed(V4, now);
const logout: Does = (session, now) => session.logout(now);
const wake: Does = (session, now) => session.wake(now);
const revoked: Does = (session) => {
  session.revokeAnswered();
  return [];
};
const close =
  (why: "idle" | "quota"): Does =>
  (session, now) =>
    session.decide(why, "close", now);
const keep =
  (why: "idle" | "quota", limits?: Partial<SessionLimits>): Does =>
  (session, now) =>
    session.decide(why, limits ? { limits } : {}, now);
const count =
  (...readings: CounterReading[]): Does =>
  (session, now) =>
    session.count(readings, now, now);

/** at (s), event, actions, state, wakes at (s) */
type Line = readonly [number, Does, readonly string[], SessionState, number | undefined];

const STORIES: Readonly<Record<string, readonly Line[]>> = {
  "lets a client in once the firewall has answered, and out at logout": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [1, answered, ["save", "opened"], "permitted", 60],
    [5, logout, ["revoke", "save", "closed"], "logged-out", 7],
    [6, revoked, [], "logged-out", undefined],
  ],
  "counts nothing as open when the firewall does not answer, and closes what it may have opened": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [3, failed, ["revoke"], "unknown", 5],
    [5, wake, ["revoke"], "unknown", 7],
    [6, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [7, answered, ["save", "opened"], "permitted", 66],
  ],
  "does not open when the logout overtakes the firewall's answer": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [1, logout, ["revoke"], "logged-out", 3],
    [2, answered, [], "logged-out", 3],
  ],
  "takes a login sent twice for one": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, login, [], "permitting", undefined],
    [1, answered, ["save", "opened"], "permitted", 60],
    [1, answered, ["save"], "permitted", 60],
    [2, login, [], "permitted", 60],
  ],
  "asks for counters when idleness is complete, and closes when they have not moved": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [10, count(reading(2, 1)), [], "permitted", 60],
    [59, wake, [], "permitted", 60],
    [60, wake, ["read-counters"], "permitted", 65],
    [60, count(reading(5, 4)), ["ask idle"], "permitted", 65],
    [61, close("idle"), ["revoke", "save", "closed"], "idle-out", 63],
  ],
  "never closes for idleness while the counters cannot be read": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [60, wake, ["read-counters"], "permitted", 65],
    [65, wake, ["read-counters"], "permitted", 70],
    [300, wake, ["read-counters"], "permitted", 305],
    [301, count(reading(50, 40)), [], "permitted", 361],
  ],
  "stays open for traffic in either direction": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [50, count(reading(0, 100)), [], "permitted", 110],
    [100, count(reading(100, 100)), [], "permitted", 160],
    [150, count(reading(103, 103)), [], "permitted", 160],
  ],
  "stays open when a listener spares it, with the time-out that the listener grants": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [60, count(reading(0, 0)), ["ask idle"], "permitted", 65],
    [61, count(reading(0, 0)), [], "permitted", 65],
    [62, keep("idle", { idle: seconds(300) }), ["save"], "permitted", 362],
  ],
  "closes at the end of its time, whatever the traffic": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [999, count(reading(9999, 9999)), [], "permitted", 1000],
    [1000, wake, ["revoke", "save", "closed"], "timed-out", 1002],
    [1001, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
  ],
  "asks at the end of its volume, and goes on with the volume a listener grants": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [10, count(reading(99, 99, 10_000)), ["ask quota"], "permitted", 15],
    [11, keep("quota", { quotaBytes: 20_000 }), ["save"], "permitted", 70],
    [20, count(reading(199, 199, 20_000)), ["ask quota"], "permitted", 25],
    [21, close("quota"), ["revoke", "save", "closed"], "over-quota", 23],
  ],
  "holds several addresses of one client, each permitted by itself": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [10, login6, ["permit 2001:db8::100 990s"], "permitted", 60],
    [11, answered6, ["save"], "permitted", 60],
    [20, count(reading(0, 0), reading(9, 9, 5, V6)), [], "permitted", 80],
    [30, logout, ["revoke", "save", "closed"], "logged-out", 32],
  ],
  "permits again what the firewall has forgotten, and counts from 0 on": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [10, count(reading(50, 50, 700)), [], "permitted", 70],
    [20, count(), ["permit 10.77.0.100 980s"], "permitted", 70],
    [30, count(reading(10, 10, 300)), [], "permitted", 90],
  ],
  "asks the firewall again until it has closed the door": [
    [0, login, ["permit 10.77.0.100 1000s"], "permitting", undefined],
    [0, answered, ["save", "opened"], "permitted", 60],
    [1, logout, ["revoke", "save", "closed"], "logged-out", 3],
    [3, wake, ["revoke"], "logged-out", 5],
    [5, wake, ["revoke"], "logged-out", 7],
    [6, revoked, [], "logged-out", undefined],
  ],
};

describe("Session", () => {
  for (const [name, lines] of Object.entries(STORIES)) {
    test(`Session ${name}`, () => {
      const session = new Session(MAC);
      for (const [index, [second, does, actions, state, wakesAt]] of lines.entries()) {
        assert.deepEqual(does(session, at(second)).map(word), actions, `actions of line ${index}`);
        assert.equal(session.state, state, `state after line ${index}`);
        const wakeAt = session.wakeAt();
        assert.equal(wakeAt === undefined ? undefined : wakeAt / 1000, wakesAt, `wakeAt after line ${index}`);
      }
    });
  }

  test("TRANSITIONS lets nothing but a login out of a closed state, and closes only with a revoke", () => {
    for (const [state, events] of Object.entries(TRANSITIONS)) {
      for (const [event, { next, steps }] of Object.entries(events)) {
        const closes = state === "permitted" || (state === "permitting" && next !== "permitted");
        assert.equal(steps.includes("revoke"), closes, `${state} ${event}`);
        if (state !== "permitting" && state !== "permitted") assert.equal(event as SessionEvent, "login");
      }
    }
  });

  test("count() adds up bytes over a counter that began again at 0", () => {
    const session = permitted();
    session.count([reading(10, 10, 500)], at(1), at(1));
    session.count([reading(20, 20, 800)], at(2), at(2));
    session.count([reading(1, 1, 100)], at(3), at(3));
    assert.equal(session.upBytes, 900);
  });

  test("count() leaves an address alone that was permitted after the counters were read", () => {
    const session = permitted();
    session.addAddress(V6, at(5));
    session.permitAnswered(V6, at(6));
    assert.deepEqual(session.count([reading(1, 1)], at(6), at(7)), []);
  });

  test(`addAddress() makes room for address ${ADDRESS_COUNT_MAX + 1} by taking the oldest away`, () => {
    const session = permitted();
    for (let index = 1; index < ADDRESS_COUNT_MAX; index++)
      session.addAddress(ip(`2001:db8::${index}`), at(1));
    assert.equal(session.addresses.length, ADDRESS_COUNT_MAX);
    const actions = session.addAddress(ip("2001:db8::ffff"), at(2)).map(word);
    assert.deepEqual(actions, ["revoke 10.77.0.100", "permit 2001:db8::ffff 998s"]);
    assert.equal(session.addresses.length, ADDRESS_COUNT_MAX);
  });

  test("permitFailed() of a second address takes only that one away", () => {
    const session = permitted();
    session.addAddress(V6, at(1));
    assert.deepEqual(session.permitFailed(V6, at(2)).map(word), ["revoke 2001:db8::100"]);
    assert.equal(session.state, "permitted");
    assert.equal(session.isPermitted(V4), true);
    assert.equal(session.isPermitted(V6), false);
  });

  test("noticeAddresses() lets in what is new, once, and nothing that never leaves the link", () => {
    const session = permitted();
    const seen = [V4, V6, ip("fe80::1"), ip("169.254.7.7")];
    assert.deepEqual(session.noticeAddresses(seen, at(10)).map(word), ["permit 2001:db8::100 990s"]);
    assert.deepEqual(session.noticeAddresses(seen, at(11)), []);
    session.permitAnswered(V6, at(12));
    assert.equal(session.isPermitted(V6), true);
  });

  const unready: [string, Session, number][] = [
    ["has not been let in", new Session(MAC), 1],
    ["has come to its end", permitted(), 1000],
  ];
  for (const [what, session, time] of unready) {
    test(`noticeAddresses() asks for nothing for a client that ${what}`, () => {
      assert.deepEqual(session.noticeAddresses([V6], at(time)), []);
    });
  }

  test("noticeAddresses() gives up the oldest address that is not seen any more, and none that is", () => {
    const session = permitted();
    const more = Array.from({ length: ADDRESS_COUNT_MAX }, (_, index) => ip(`2001:db8::${index + 1}`));
    assert.equal(session.noticeAddresses([V4, ...more], at(1)).length, ADDRESS_COUNT_MAX - 1);
    assert.deepEqual(session.noticeAddresses([V4, ...more], at(2)), []);
    const seen = more.filter((address) => !address.equals(ip("2001:db8::3")));
    assert.deepEqual(session.noticeAddresses([V4, ...seen], at(3)).map(word), [
      "revoke 2001:db8::3",
      "permit 2001:db8::16 997s",
    ]);
  });

  test("permitRefused() leaves an address alone for the rest of the session", () => {
    const session = permitted();
    session.noticeAddresses([V6], at(1));
    assert.deepEqual(session.permitRefused(V6, at(2)), []);
    assert.equal(session.has(V6), false);
    assert.deepEqual(session.noticeAddresses([V6], at(3)), []);
    session.logout(at(4));
    session.login(V4, LIMITS, at(5));
    session.permitAnswered(V4, at(6));
    assert.equal(session.noticeAddresses([V6], at(7)).length, 1);
  });

  test("permitRefused() ends a login, and takes away what a narrower policy does not allow any more", () => {
    const fresh = new Session(MAC);
    fresh.login(V4, LIMITS, at(0));
    assert.deepEqual(fresh.permitRefused(V4, at(1)).map(word), ["revoke"]);
    assert.equal(fresh.state, "unknown");
    const session = permitted();
    session.permitRefused(V4, at(1));
    assert.deepEqual(session.count([], at(5), at(5)), []);
  });

  test("count() at the end of the time closes, and does not permit anew what the firewall has let run out", () => {
    const session = permitted();
    assert.deepEqual(session.addAddress(V6, at(1000)), []);
    assert.deepEqual(session.count([], at(1000), at(1000)).map(word), ["revoke", "save", "closed"]);
    assert.equal(session.state, "timed-out");
  });

  test("removeAddress() keeps a session from permitting again what is another client's now", () => {
    const session = permitted();
    session.removeAddress(V4);
    assert.deepEqual(session.count([], at(5), at(5)), []);
    assert.equal(session.isPermitted(V4), false);
  });

  test("restore() goes on where record() left off, without counting twice", () => {
    const before = permitted();
    before.count([reading(10, 10, 500)], at(10), at(10));
    assert.ok(before.record);
    const session = Session.restore(before.record);
    assert.equal(session.state, "permitted");
    assert.deepEqual(session.count([reading(20, 20, 900)], at(500), at(500)), []);
    assert.equal(session.upBytes, 900);
    assert.equal(session.wakeAt(), at(560));
  });

  test("limits of 0 never end a session", () => {
    const session = permitted({ idle: 0 as Duration, session: 0 as Duration, quotaBytes: 0 });
    assert.equal(session.wakeAt(), undefined);
    assert.deepEqual(session.count([reading(0, 0, 1e12)], at(1e6), at(1e6)), []);
    assert.deepEqual(session.wake(at(1e7)), []);
  });
});
