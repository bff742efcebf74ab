import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import {
  checkMatch,
  checkQueueRule,
  MATCH_CHARACTERS_MAX,
  MatchRefusedError,
  type QueueRule,
} from "./queue-rules.ts";

describe("checkMatch()", () => {
  const fine = [
    "udp dport 53",
    "tcp dport { 80, 443 } tcp flags & (syn | ack) == syn",
    'iifname "lan0" ip saddr != 10.0.0.0/8',
    'oifname "drop"',
    "icmp type { echo-request, redirect } ct state established,related",
    "icmp type redirect",
    "icmpv6 type != nd-redirect",
    "@th,0,16 53 meta length 0-100",
    "ip6 saddr . tcp dport { fd00::1 . 22, fd00::2 . 22 }",
    "limit rate 10/second",
    'ct helper "ftp"',
  ];
  for (const match of fine) it(`takes ${match}`, () => checkMatch(match));

  const refused: [match: string, said: RegExp][] = [
    ["", /empty/],
    ["  ", /empty/],
    ["udp dport 53\n", /\\n/],
    ["udp dport 53; drop", /";"/],
    ["udp dport 53 # and so on", /"#"/],
    ["udp dport 53 \\", /\\\\/],
    ["udp dport $port", /"\$"/],
    ["udp dport 53 drop", /'drop' does something/],
    ["udp dport 53 DROP", /'DROP' does something/],
    ["udp dport 53 accept", /'accept'/],
    ["udp dport 53 jump elsewhere", /'jump'/],
    ["udp dport 53 queue num 7", /'queue'/],
    ["udp dport 53 meta mark set 1", /'set'/],
    ["tcp dport 80 redirect to :8080", /'redirect'/],
    ["tcp dport vmap { 80 : drop }", /'vmap'/],
    ["update @seen { ip saddr }", /'update'/],
    ["udp dport 53 counter", /'counter'/],
    ["udp dport 53 log", /'log'/],
    ["reset tcp option sack-perm", /'reset'/],
    ["udp dport { 53", /not closed/],
    ["udp dport 53 }", /was not opened/],
    ["{ udp dport 53 }", /a block/],
    ["udp dport { { 53 } }", /a block/],
    ["udp dport 53 } drop { ip saddr 1.1.1.1", /not opened/],
    ['iifname "lan0', /has no place/],
    ['iifname "a\\" drop', /has no place/],
    ['iifname "a\nb"', /has no place/],
    ["ip saddr 1.1.1.1 \u00e4", /has no place/],
    ["x".repeat(MATCH_CHARACTERS_MAX + 1), /1001 characters/],
  ];
  for (const [match, said] of refused) {
    it(`refuses ${JSON.stringify(match.slice(0, 40))}`, () => {
      assert.throws(
        () => checkMatch(match),
        (error: Error) => error instanceof MatchRefusedError && said.test(error.message),
      );
    });
  }
});

describe("checkQueueRule()", () => {
  const good: QueueRule = {
    name: "nat",
    family: "inet",
    hook: "forward",
    index: 0,
    queueNumber: 0,
    bypass: false,
  };
  it("takes a rule, with interfaces as nft names them", () => {
    checkQueueRule({ ...good, inInterface: "eth0.100", outInterface: "veth*" });
  });
  const refused: [change: object, said: RegExp][] = [
    [{ name: "1st" }, /the name/],
    [{ name: "a b" }, /the name/],
    [{ name: "" }, /the name/],
    [{ family: "arp" }, /no family arp/],
    [{ hook: "ingress" }, /no hook ingress/],
    [{ index: 49 }, /place 49/],
    [{ index: -1 }, /place -1/],
    [{ inInterface: 'x" drop' }, /not the name of an interface/],
    [{ inInterface: "sixteen-letters-" }, /not the name of an interface/],
    [{ outInterface: "a\nb" }, /not the name of an interface/],
    [{ hook: "output", inInterface: "lan0" }, /take outInterface/],
    [{ hook: "input", outInterface: "lan0" }, /take inInterface/],
    [{ queueNumber: 65_535, queueCount: 2 }, /queues 65535 to 65536/],
    [{ queueNumber: -1 }, /queues -1/],
    [{ queueCount: 0 }, /queues 0 to -1/],
  ];
  for (const [change, said] of refused) {
    it(`refuses ${JSON.stringify(change)}`, () => {
      assert.throws(
        () => checkQueueRule({ ...good, ...change }),
        (error: Error) => error instanceof ConfigurationError && said.test(error.message),
      );
    });
  }
});
