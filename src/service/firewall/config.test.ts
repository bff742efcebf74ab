import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { ip, prefix } from "#base/ip-address.ts";
import { hours, milliseconds } from "#base/time.ts";
import { type FirewallOptions, firewallConfig } from "./config.ts";

const least: FirewallOptions = { inside: "lan0", outside: "wan0" };

test("firewallConfig() fills in everything but the two interfaces", () => {
  assert.deepEqual(firewallConfig(least), {
    inside: "lan0",
    outside: "wan0",
    portalPort: 5280,
    apiPort: undefined,
    masquerade: true,
    masquerade6: false,
    prefixes: [],
    resolvers: [],
    marks: [1],
    timeoutMax: hours(24),
    table: "metanet",
  });
});

test("firewallConfig() leaves out what is named twice, and prefixes inside others", () => {
  const config = firewallConfig({
    ...least,
    prefixes: [prefix("10.77.0.0/24"), prefix("10.0.0.0/8"), prefix("10.0.0.0/8"), prefix("fd00::/8")],
    resolvers: [ip("9.9.9.9"), ip("9.9.9.9")],
  });
  assert.deepEqual(config.prefixes.map(String), ["10.0.0.0/8", "fd00::/8"]);
  assert.deepEqual(config.resolvers.map(String), ["9.9.9.9"]);
});

const WRONG: [option: string, value: Partial<FirewallOptions>, message: RegExp][] = [
  ["an empty interface", { inside: "" }, /inside '' is not the name of an interface/],
  ["an interface name of 16 characters", { outside: "a234567890123456" }, /outside 'a2345/],
  ["an interface that is text of a rule", { inside: 'x" accept' }, /inside 'x" accept' is not the name/],
  ["an interface with a line break", { inside: "lan0\n" }, /is not the name of an interface/],
  ["one interface for both", { outside: "lan0" }, /outside 'lan0' is the inside interface as well/],
  ["port 0", { portalPort: 0 }, /portalPort '0' is not a port/],
  ["port 65536", { apiPort: 65_536 }, /apiPort '65536' is not a port/],
  ["half a port", { portalPort: 80.5 }, /portalPort '80.5' is not a port/],
  ["no marks", { marks: [] }, /marks '' allow no permit at all/],
  ["mark 0", { marks: [1, 0] }, /marks '0' is not a mark/],
  ["no time at all", { timeoutMax: milliseconds(0) }, /timeoutMax '0' is not a length of time/],
  ["somebody else's table", { table: "filter" }, /table 'filter' is not 'metanet'/],
  [
    "a table that is text of a rule",
    { table: "metanet-x; flush ruleset" },
    /table 'metanet-x; flush ruleset'/,
  ],
];

describe("firewallConfig() refuses", () => {
  for (const [what, options, message] of WRONG) {
    test(what, () => {
      assert.throws(
        () => firewallConfig({ ...least, ...options }),
        (error) => {
          assert.ok(error instanceof ConfigurationError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }
});
