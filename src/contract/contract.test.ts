import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { minutes } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { Bus } from "#mailbox/bus.ts";
import { NoSuchMailboxError } from "#mailbox/errors.ts";
import { Message } from "#mailbox/message.ts";
import { reject } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { fits } from "./check.ts";
import { contract, type ShapeOf, t } from "./contract.ts";
import { describeContract } from "./describe.ts";
import type { sys } from "./sys.ts";
import { offerSys } from "./sys-provider.ts";

const demo = contract("demo", "A service to test contracts with", {
  "/demo/lookup": {
    says: "Finds an address.",
    kind: "call",
    sent: "anyone",
    tags: {
      xid: t.uint32("transaction"),
      chaddr: t.mac("hardware address"),
      wish: t.ip4("address asked for").optional(),
      name: t.text("host names").optional().repeated(),
      password: t.text("never shown").optional().secret(),
      sizes: t.list("uint8", "sizes in bytes").optional(),
    },
    answer: { address: t.ip("what was found") },
  },
});

const good: Value[] = ["xid", 7, "chaddr", mac("02:00:00:00:00:01")];

describe("contract()", () => {
  const rows: [string, Value[], string | undefined][] = [
    ["what is required alone", good, undefined],
    [
      "optional and repeated tags",
      [...good, "wish", ip("192.0.2.1"), "name", "a", "name", "b", "sizes", [1, 255]],
      undefined,
    ],
    ["tags nobody declared", [...good, "newer", true], undefined],
    ["a missing tag", ["xid", 7], "tag 'chaddr' (mac) is missing"],
    ["a wrong type", ["xid", "7", ...good.slice(2)], "tag 'xid' is text '7', not uint32"],
    ["a number out of range", ["xid", 2 ** 32, ...good.slice(2)], "tag 'xid' is 4294967296, not uint32"],
    ["a fraction", ["xid", 1.5, ...good.slice(2)], "tag 'xid' is 1.5, not uint32"],
    ["a tag that is not repeated", [...good, "xid", 8], "tag 'xid' stands there 2 times, not once"],
    ["the other family", [...good, "wish", ip("::1")], "tag 'wish' is ::1, not ip4"],
    ["a wrong item in a list", [...good, "sizes", [1, 256]], "tag 'sizes' is a list of 2, not list of uint8"],
  ];
  for (const [name, tuples, fault] of rows) {
    it(`checks ${name}`, () =>
      assert.equal(demo.mailboxes["/demo/lookup"]?.check?.(Message.fromTuples(tuples)), fault));
  }

  it("fits() takes no endless duration: nobody could set a timer to it", () => {
    const duration = { kind: "duration", list: false } as const;
    assert.deepEqual([fits(0, duration), fits(-1, duration), fits(Infinity, duration)], [true, false, false]);
  });

  it("describeContract() writes a table of tags with their types", () => {
    const page = describeContract(demo);
    assert.match(page, /^# demo\n/);
    assert.match(page, /\| `name` \| text, optional, repeated \| host names \|/);
  });
});

describe("offerSys()", () => {
  function process(): { bus: Bus; clock: SimClock } {
    const clock = new SimClock();
    const bus = new Bus({ name: "demo", clock });
    offerSys(bus, [demo]);
    bus.offer(demo);
    return { bus, clock };
  }

  it("/sys/list pages through the mailboxes in order", async () => {
    const { bus } = process();
    const paths: string[] = [];
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page: Message<ShapeOf<(typeof sys.specs)["/sys/list"]["answer"]>> = await bus.call("/sys/list", {
        after,
        limit: 3,
      });
      paths.push(...(page.get("path") ?? []));
      after = page.get("more") ? paths.at(-1) : undefined;
    }
    assert.deepEqual(paths, [...paths].sort());
    assert.ok(paths.includes("/demo/lookup") && paths.includes("/sys/trace"));
  });

  it("/sys/listeners shows who stands where", async () => {
    const { bus } = process();
    bus.provide("/demo/lookup", () => undefined);
    bus.prepend("/demo/lookup", "guard", () => undefined, { timeout: minutes(1) });
    bus.observe("/demo/lookup", "tap", () => undefined);
    const shown = await bus.call("/sys/listeners", { path: "/demo/lookup" });
    assert.deepEqual(shown.get("identity"), ["demo/guard", "demo/provider", "demo/tap"]);
    assert.deepEqual(shown.get("role"), ["listener", "listener", "observer"]);
    assert.deepEqual(shown.get("band"), [0, 1000, 0]);
    await assert.rejects(bus.call("/sys/listeners", { path: "/nowhere" }), NoSuchMailboxError);
  });

  it("/sys/list and /sys/event tell of listeners that are suspended or away", async () => {
    const { bus, clock } = process();
    const events: unknown[] = [];
    bus.observe(
      "/sys/event",
      "test",
      (event) => void events.push([event.get("event"), event.get("listener")]),
    );
    for (const label of ["broken", "gone"]) {
      const fail = (): never => {
        throw new Error("broken");
      };
      bus.table.attach("/demo/lookup", {
        identity: { process: label, label },
        listen: label === "broken" ? fail : () => undefined,
        place: "append",
        options: {},
        remote: true,
        observes: false,
      });
    }
    for (let count = 0; count < 3; count++) {
      await bus.decide("/demo/lookup", { xid: 1, chaddr: mac("02:00:00:00:00:01"), password: "x" });
    }
    bus.table.setAway("gone", true);
    await clock.settle();
    const { path, away, suspended } = (await bus.call("/sys/list", { prefix: "/demo/lookup" })).toObject();
    assert.deepEqual([path, away, suspended], [["/demo/lookup"], [1], [1]]);
    const { state } = (await bus.call("/sys/listeners", { path: "/demo/lookup" })).toObject();
    assert.deepEqual(state, ["suspended", "away"]);
    assert.deepEqual(
      events.filter((event) => /suspended|away/.test(String(event))),
      [
        ["suspended", "broken/broken"],
        ["away", "gone/gone"],
      ],
    );
  });

  it("/sys/describe gives the contract's prose", async () => {
    const { bus } = process();
    const shown = await bus.call("/sys/describe", { path: "/demo/lookup" });
    assert.equal(shown.get("says"), "Finds an address.");
    assert.ok(shown.get("tags")?.includes("wish ip4 optional: address asked for"));
  });

  it("/sys/trace tells who was asked and what each said, without secrets, until the time is over", async () => {
    const { bus, clock } = process();
    bus.append("/demo/lookup", "guard", () => reject("not today"));
    const seen: { [tag: string]: Value }[] = [];
    bus.observe("/sys/trace", "test", (record) => void seen.push(record.toObject()));
    await bus.call("/sys/trace/start", { path: "/demo/lookup", duration: minutes(1) });
    const send = (): unknown =>
      bus.decide("/demo/lookup", { xid: 1, chaddr: mac("02:00:00:00:00:01"), password: "x" });
    send();
    await clock.advance(minutes(1));
    send();
    await clock.settle();
    assert.equal(clock.timerCount, 0);
    assert.equal(seen.length, 1);
    assert.deepEqual(seen[0]?.verdicts, ["reject: not today"]);
    assert.equal(seen[0]?.outcome, "reject: not today");
    assert.deepEqual(seen[0]?.values, ["1", "02:00:00:00:00:01", "(secret)"]);
  });

  it("its end forgets the traces that run, so that a process can end", async () => {
    const clock = new SimClock();
    const bus = new Bus({ name: "demo", clock });
    const end = offerSys(bus, [demo]);
    bus.offer(demo);
    await bus.call("/sys/trace/start", { path: "/demo/lookup" });
    await bus.call("/sys/trace/start", { path: "/demo/lookup" });
    assert.equal(clock.timerCount, 1);
    end();
    assert.equal(clock.timerCount, 0);
  });
});
