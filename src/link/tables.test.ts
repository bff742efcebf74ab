import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ProtocolViolationError } from "#base/errors.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { OverflowError, RejectedError } from "#mailbox/errors.ts";
import { change, reject, type Verdict } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { type AttachRequest, decodeAttach, encodeAttach } from "./attach-tuples.ts";
import { decodeCause, encodeCause } from "./cause-tuples.ts";
import { decodeHello, encodeHello } from "./hello.ts";
import { NAME_COUNT_MAX, PENDING_COUNT_MAX } from "./limits.ts";
import { ReceivedNames, SentNames } from "./names.ts";
import { Pending } from "./pending.ts";
import { Rights } from "./rights.ts";
import { ControlTuples } from "./tuples.ts";
import { decodeVerdict, encodeVerdict } from "./verdict-tuples.ts";

describe("Pending", () => {
  test("ends each request at its own deadline, with one timer for all", async () => {
    const clock = new SimClock();
    const pending = new Pending<string>(clock);
    const log: string[] = [];
    const settle = (name: string) => ({
      answer: (value: string) => void log.push(`${name} ${value}`),
      fail: (error: Error) => void log.push(`${name} ${error.message}`),
      expire: () => void log.push(`${name} expired`),
    });
    pending.add(1, milliseconds(100), settle("one"));
    pending.add(2, milliseconds(50), settle("two"));
    pending.add(3, milliseconds(300), settle("three"));
    pending.add(4, milliseconds(300), settle("four"));
    assert.equal(clock.timerCount, 1);
    await clock.advance(milliseconds(60));
    pending.take(3)?.answer("answered");
    assert.equal(pending.take(3), undefined);
    await clock.advance(milliseconds(50));
    pending.failAll(new RejectedError("gone", "gone"));
    assert.deepEqual(log, ["two expired", "three answered", "one expired", "four gone"]);
    assert.equal(clock.timerCount, 0);
  });

  test("takes no more than its maximum", () => {
    const pending = new Pending<string>(new SimClock());
    const settle = { answer: () => undefined, fail: () => undefined, expire: () => undefined };
    for (let seq = 1; seq <= PENDING_COUNT_MAX; seq++) pending.add(seq, seconds(1), settle);
    assert.throws(() => pending.add(0, seconds(1), settle), OverflowError);
  });
});

describe("SentNames and ReceivedNames", () => {
  test("bind a path on its second use, and agree on it", () => {
    const received = new ReceivedNames();
    const sent = new SentNames((id, path) => received.bind(id, path));
    assert.equal(sent.idOf("/x"), 0);
    assert.equal(sent.idOf("/y"), 0);
    assert.equal(sent.idOf("/x"), 1);
    assert.equal(sent.idOf("/y"), 2);
    assert.equal(sent.idOf("/x"), 1);
    assert.equal(received.pathOf(2), "/y");
    assert.throws(() => received.pathOf(3), ProtocolViolationError);
    received.bind(2, "/y");
    assert.throws(() => received.bind(2, "/z"), /it is \/y already/);
    assert.throws(() => received.bind(NAME_COUNT_MAX + 1, "/z"), /outside/);
    assert.throws(() => received.bind(0, "/z"), /outside/);
  });

  test("spell paths out when the table is full", () => {
    let bound = 0;
    const sent = new SentNames(() => bound++);
    for (let n = 0; n < NAME_COUNT_MAX; n++) {
      sent.idOf(`/${n}`);
      assert.equal(sent.idOf(`/${n}`), n + 1);
    }
    sent.idOf("/more");
    assert.equal(sent.idOf("/more"), 0);
    assert.equal(bound, NAME_COUNT_MAX);
  });
});

describe("Rights", () => {
  const rights = new Rights({
    uid: 1000,
    rules: [
      { prefix: "/firewall/permit", may: ["send"], uids: [5] },
      { prefix: "/", may: ["observe"], gids: [7] },
      { prefix: "/nobody", may: ["send"] },
    ],
  });
  const rows: readonly [number | undefined, number, "send" | "observe" | "intercept", string, boolean][] = [
    // uid  gid  right        path                    allowed
    [1000, 9, "intercept", "/x", true],
    [0, 9, "intercept", "/x", true],
    [5, 9, "send", "/firewall/permit", true],
    [5, 9, "send", "/firewall/permit/x", true],
    [5, 9, "send", "/firewall/permits", false],
    [5, 9, "send", "/firewall", false],
    [5, 9, "intercept", "/firewall/permit", false],
    [6, 7, "observe", "/anything", true],
    [6, 7, "send", "/anything", false],
    [6, 9, "send", "/nobody", false],
    [undefined, 7, "observe", "/x", false],
  ];
  for (const [uid, gid, right, path, allowed] of rows) {
    test(`${allowed ? "let" : "do not let"} user ${uid ?? "unknown"} of group ${gid} ${right} ${path}`, () => {
      assert.equal(rights.allows(uid === undefined ? undefined : { uid, gid, pid: 1 }, right, path), allowed);
    });
  }

  test("let a user observe by a supplementary group, and no more than the group may", () => {
    const peer = { uid: 6, gid: 9, pid: 1, groups: [3, 7] };
    assert.equal(rights.allows(peer, "observe", "/anything"), true);
    assert.equal(rights.allows(peer, "send", "/anything"), false);
    assert.equal(rights.allows({ ...peer, groups: [3] }, "observe", "/anything"), false);
  });

  test("say how a missing right is granted", () => {
    const peer = { uid: 6, gid: 9, pid: 1 };
    const told = new Rights({ uid: 1000, fix: (right, path, { uid }) => `let ${uid} ${right} ${path}` });
    assert.equal(told.refusal(peer, "send", "/x"), "user 6 has no right to; let 6 send /x");
    assert.match(rights.refusal(peer, "send", "/x"), /has no right to; the process can grant it/);
    assert.match(rights.refusal(undefined, "send", "/x"), /user is not known/);
  });
});

describe("the protocol's own tuples", () => {
  test("ControlTuples refuses what comes twice and what has the wrong type", () => {
    assert.throws(() => new ControlTuples(["a", 1, "b", 2, "a", 3]), /'a' comes twice/);
    assert.throws(() => new ControlTuples(["a", "x"]).count("a"), /not a count/);
    assert.throws(() => new ControlTuples(["a", -1]).count("a"), /not a count/);
    assert.throws(() => new ControlTuples(["a", ["x", 1]]).texts("a"), /not a list of texts/);
    assert.throws(() => new ControlTuples(["a", "z"]).oneOf("a", ["x", "y"]), /not x, y/);
    assert.equal(new ControlTuples([]).count("a"), undefined);
  });

  test("encodeCause() says only what a receiver would not assume", () => {
    const plain = { hops: 0, waiting: [], trace: undefined, budget: seconds(2) };
    assert.deepEqual(encodeCause(plain), []);
    const full = { hops: 3, waiting: ["a/b@/c"], trace: "t", budget: milliseconds(250.4) };
    const meta = encodeCause(full, "who");
    assert.deepEqual(decodeCause(meta, "other"), {
      record: { ...full, budget: 251 },
      sender: "who",
      gap: 0,
    });
    assert.deepEqual(decodeCause([], "begin").record, { ...plain, trace: "begin" });
    assert.throws(() => decodeCause(["waiting", new Array(65).fill("x")], ""), /65 steps/);
  });

  const requests: readonly AttachRequest[] = [
    { label: "a", observes: false, place: "append", options: {} },
    { label: "a", observes: true, place: "append", options: { filter: { exists: ["x"], equals: { y: 1 } } } },
    {
      label: "a",
      observes: false,
      place: { before: "p/b" },
      options: { band: -5, timeout: milliseconds(9) },
    },
    {
      label: "a",
      observes: false,
      place: { after: "b" },
      options: {
        onTimeout: "reject",
        onError: "continue",
        filter: { exists: ["x", "y"], equals: { a: "1", b: null } },
        tuples: { interface: "eth0" },
      },
    },
  ];
  for (const request of requests) {
    test(`decodeAttach() reads what encodeAttach() wrote: ${JSON.stringify(request)}`, () => {
      const read = decodeAttach(encodeAttach(request));
      assert.deepEqual(JSON.parse(JSON.stringify(read)), {
        ...request,
        options: {
          ...request.options,
          ...(request.options.filter
            ? { filter: { exists: [], equals: {}, ...request.options.filter } }
            : {}),
        },
      });
    });
  }

  const refused: readonly [string, (string | number)[], RegExp][] = [
    ["no label", [], /'label' is missing/],
    ["a label with a slash", ["label", "a/b"], /label 'a\/b'/],
    ["a band that is no integer", ["label", "a", "band", 1.5], /band 1.5/],
    ["a place that does not exist", ["label", "a", "place", "top"], /not append/],
    ["an anchor that is missing", ["label", "a", "place", "before"], /'anchor' is missing/],
    ["a filter without its value", ["label", "a", "equals", "x", "band", 1], /'equals' has no value/],
    ["a filter that names no tag", ["label", "a", "exists", 7], /does not name a tag/],
  ];
  for (const [what, tuples, text] of refused) {
    test(`decodeAttach() refuses ${what}`, () => {
      assert.throws(
        () => decodeAttach(tuples),
        (error: unknown) => {
          assert.ok(error instanceof ProtocolViolationError);
          assert.match(error.message, text);
          return true;
        },
      );
    });
  }

  test("decodeVerdict() reads what encodeVerdict() wrote, and refuses what is none of the five", () => {
    const verdicts: readonly (Verdict | undefined)[] = [
      undefined,
      { verdict: "stop" },
      change({ set: { a: 1 }, add: { b: "x", c: null }, remove: ["d"] }),
      change({ set: {}, add: {}, remove: [] }),
      reject("no"),
    ];
    for (const verdict of verdicts) {
      const { meta, body } = encodeVerdict(verdict);
      assert.deepEqual(decodeVerdict(meta, body), verdict);
    }
    const denied = encodeVerdict(reject("no", new RejectedError("text", "no")));
    const read = decodeVerdict(denied.meta, denied.body);
    assert.ok(read?.verdict === "reject" && read.error instanceof RejectedError);
    assert.throws(() => decodeVerdict(["verdict", "maybe"], []), ProtocolViolationError);
    assert.throws(
      () => decodeVerdict(["verdict", "change", "set", 2, "add", 0], ["a", 1]),
      /2 tuples to set/,
    );
  });

  const hello = encodeHello("dhcpd", "1");
  const changed = (tag: string, value: string | number): (string | number)[] =>
    hello.map((item, index) => (hello[index - 1] === tag ? value : item)) as (string | number)[];
  test("decodeHello() reads what encodeHello() wrote", () => {
    assert.deepEqual(decodeHello(hello), {
      name: "dhcpd",
      instance: "1",
      version: 1,
      frameBytesMax: 1_048_576,
      creditBytes: 262_144,
      features: [],
    });
    assert.equal(decodeHello(changed("version-max", 9)).version, 1);
  });
  for (const [tag, value, text] of [
    ["magic", "http", /magic/],
    ["version-min", 2, /versions 2 to 1/],
    ["name", "a/b", /not the name/],
    ["name", "../x", /not the name/],
    ["frame-max", 100, /fewer than 4096/],
  ] as const) {
    test(`decodeHello() refuses ${tag} ${value}`, () => {
      assert.throws(() => decodeHello(changed(tag, value)), text);
    });
  }
});
