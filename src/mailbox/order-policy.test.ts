import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimClock } from "#sim/clock.ts";
import { Bus } from "./bus.ts";
import { DeniedError } from "./errors.ts";
import type { ListenerOptions, Place } from "./listener.ts";
import { OrderPolicy, type OrderRule } from "./order-policy.ts";

const rule = (listener: string, band: OrderRule["band"], path = "/x"): OrderRule => ({
  path,
  listener,
  band,
  source: "gw.yaml:7",
});

describe("OrderPolicy", () => {
  const policy = new OrderPolicy([
    rule("glue/ldap", -10),
    rule("glue/*", 20),
    rule("ldap", 5),
    rule("audit/*", "never"),
    rule("*", 99),
    rule("glue/ldap", "never", "/y"),
  ]);
  const rows: [path: string, listener: string, band: number | "never" | undefined][] = [
    ["/x", "glue/ldap", -10],
    ["/x", "glue/other", 20],
    ["/x", "somebody/ldap", 5],
    ["/x", "audit/ldap", "never"],
    ["/x", "somebody/else", 99],
    ["/y", "glue/ldap", "never"],
    ["/y", "glue/other", undefined],
    ["/x/y", "glue/ldap", undefined],
  ];
  for (const [path, listener, band] of rows) {
    it(`OrderPolicy gives ${listener} at ${path} ${band ?? "no rule"}`, () => {
      const [process = "", label = ""] = listener.split("/");
      assert.equal(policy.ruleFor(path, { process, label })?.band, band);
    });
  }
});

describe("MailboxTable with an operator's order", () => {
  function served(rules: readonly OrderRule[]) {
    const bus = new Bus({ name: "me", clock: new SimClock(), order: new OrderPolicy(rules) });
    const asked: string[] = [];
    const attach = (listener: string, options: ListenerOptions = {}, place: Place = "append") => {
      const [process = "", label = ""] = listener.split("/");
      return bus.table.attach("/x", {
        identity: { process, label },
        listen: () => void asked.push(listener),
        place,
        options,
        remote: process !== "me",
        observes: label.startsWith("watch"),
      });
    };
    const order = async (): Promise<string> => {
      asked.length = 0;
      await bus.send("/x", {});
      return asked.join(" ");
    };
    return { bus, attach, order };
  }

  const rows: Record<
    string,
    { rules: [string, number][]; attach: [string, number?, Place?][]; order: string }
  > = {
    "puts a listener into the operator's band, whatever it asked for": {
      rules: [["loud/*", 50]],
      attach: [["loud/a", -1_000_000, "prepend"], ["calm/a"]],
      order: "calm/a loud/a",
    },
    "keeps prepended before appended inside the operator's band": {
      rules: [["*", 5]],
      attach: [["a/a"], ["b/b", 0, "prepend"], ["c/c", -3]],
      order: "b/b a/a c/c",
    },
    "takes `before` out of a rule's way": {
      rules: [["sly/*", 50]],
      attach: [["calm/a"], ["sly/a", 0, { before: "calm/a" }]],
      order: "calm/a sly/a",
    },
    "leaves the owner's own listeners where they are": {
      rules: [["*", 50]],
      attach: [["me/own"], ["a/a", -7]],
      order: "me/own a/a",
    },
  };
  for (const [what, { rules, attach: listeners, order: wanted }] of Object.entries(rows)) {
    it(`attach() ${what}`, async () => {
      const { bus, attach, order } = served(rules.map(([listener, band]) => rule(listener, band)));
      bus.open("/x");
      for (const [listener, band, place] of listeners)
        attach(listener, band === undefined ? {} : { band }, place);
      assert.equal(await order(), wanted);
    });
  }

  it("attach() refuses what the operator refuses, names the rule, tells it, and lets observers be", () => {
    const { bus, attach } = served([rule("audit/*", "never")]);
    const events: unknown[] = [];
    bus.open("/x");
    bus.watch((event) => events.push(event));
    const text = "Cannot listen to me:/x as audit/tap: gw.yaml:7 says audit/*: never";
    assert.throws(
      () => attach("audit/tap"),
      (error: Error) => error instanceof DeniedError && error.message === text,
    );
    assert.deepEqual(events, [{ event: "refused", mailbox: "/x", listener: "audit/tap", text }]);
    attach("audit/watch");
    const mailbox = bus.table.mailboxes.get("/x");
    assert.deepEqual([mailbox?.listeners.order.length, mailbox?.observers.length], [0, 1]);
  });

  it("attach() holds a mailbox that is not there yet to the rules as well, and says whose the band is", () => {
    const { bus, attach } = served([rule("a/a", 8)]);
    attach("a/a", { band: 3 });
    attach("b/b", { band: 3 });
    const entries = bus.open("/x").listeners.order;
    assert.deepEqual(
      entries.map(({ band, rule: chosenBy }) => [band, chosenBy]),
      [
        [3, undefined],
        [8, "gw.yaml:7"],
      ],
    );
  });
});
