import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FlowEngine } from "metanet/flow";
import { tcp } from "#packet/tcp.ts";
import { capturesSkipped } from "../../test/support/captures.ts";
import { type ConversationOptions, conversation } from "../../test/support/conversation.ts";
import { icmpEcho, udpTalk } from "../../test/support/conversation-other.ts";
import { type FirewallOptions, statefulFirewall } from "./stateful-firewall.ts";
import { assertChecksums, FlowWorld } from "./test-world.ts";

const RULES = [
  "drop tcp 10.0.0.9 any -> any any",
  "accept tcp 10.0.0.0/24 any -> 10.1.0.0/16 80-89",
  "accept tcp 2001:db8::/32 1024-65535 -> any 443",
  "accept udp any any <-> 10.1.0.53 53",
  "accept icmp any any -> 10.1.0.0/16 any",
];

function world(options: FirewallOptions = {}): FlowWorld {
  return new FlowWorld((engine, printing) =>
    statefulFirewall(engine, { ...printing, rules: RULES, ...options }),
  );
}

function opens(client: string, server: string, more: ConversationOptions = {}): boolean {
  const talk = conversation({ client, server, ...more });
  const passed = world().play(...talk.handshake(), talk.client("x"), talk.server("y"), ...talk.close());
  assert.ok(
    passed.every((one) => one === passed[0]),
    "all of a flow, or nothing",
  );
  return passed[0] as boolean;
}

describe("stateful-firewall", () => {
  for (const [client, server, isAllowed] of [
    ["10.0.0.1:1025", "10.1.0.1:80", true],
    ["10.0.0.1:1025", "10.1.255.255:89", true],
    ["10.0.0.1:1025", "10.1.0.1:90", false],
    ["10.0.0.9:1025", "10.1.0.1:80", false],
    ["10.0.1.1:1025", "10.1.0.1:80", false],
    ["10.0.0.1:1025", "10.2.0.1:80", false],
    ["10.1.0.1:80", "10.0.0.1:1025", false],
    ["[2001:db8::1]:1024", "[2001:db9::1]:443", true],
    ["[2001:db8::1]:1023", "[2001:db9::1]:443", false],
    ["[2001:db7::1]:1024", "[2001:db9::1]:443", false],
  ] as const) {
    test(`statefulFirewall() ${isAllowed ? "lets" : "does not let"} ${client} connect to ${server}`, () => {
      assert.equal(opens(client, server), isAllowed);
    });
  }

  test("statefulFirewall() judges UDP and ICMP by their first packet, and takes <-> both ways", () => {
    const fire = world();
    const dns = udpTalk({ client: "10.0.0.1:5353", server: "10.1.0.53:53" });
    const back = udpTalk({ client: "10.1.0.53:53", server: "10.0.0.1:6000" });
    const other = udpTalk({ client: "10.0.0.1:5353", server: "10.1.0.54:53" });
    const ping = icmpEcho({ client: "10.0.0.1", server: "10.1.0.1" });
    const gnip = icmpEcho({ client: "10.1.0.1", server: "10.0.0.77" });
    assert.deepEqual(
      fire.play(dns.client("?"), dns.server("!"), back.client("?"), back.server("!"), other.client("?")),
      [true, true, true, true, false],
    );
    assert.deepEqual(fire.play(ping.request("a"), ping.reply("a"), gnip.request("a")), [true, true, false]);
  });

  test("statefulFirewall() cuts off connections of before that no rule accepts, and lets others pass", () => {
    const fire = world();
    const bad = conversation({ client: "10.0.0.9:1025", server: "10.1.0.1:80" });
    const good = conversation({ client: "10.0.0.1:1025", server: "10.1.0.1:80" });
    for (const talk of [bad, good]) talk.handshake();
    assert.deepEqual(fire.play(good.client("a"), good.server("b")), [true, true]);
    assert.deepEqual(fire.play(bad.client("a"), bad.client("b")), [false, false]);
    const resets = fire.sent.map((packet) => packet.find(tcp));
    // A number that is not certain is tried with the other one that it may be.
    assert.deepEqual(new Set(resets.map((one) => one?.rst && one.destinationPort)), new Set([1025, 80]));
    for (const packet of fire.sent) assertChecksums(packet);
  });

  test("statefulFirewall() drops what it has not seen begin, where it is told to", () => {
    for (const options of [{}, { policy: { midstream: "off" } }] as const) {
      const engine = new FlowEngine(options);
      statefulFirewall(engine, { rules: RULES, midstream: "drop", print: () => undefined });
      const talk = conversation({ client: "10.0.0.1:1025", server: "10.1.0.1:80" });
      talk.handshake();
      assert.equal(engine.handle(talk.client("a")), false);
      const fresh = conversation({ client: "10.0.0.1:1026", server: "10.1.0.1:80" });
      for (const packet of fresh.handshake()) assert.equal(engine.handle(packet), true);
    }
  });

  test("statefulFirewall() counts by rules", () => {
    const fire = world();
    const bad = conversation({ client: "10.0.0.9:1025", server: "10.1.0.1:80" });
    const good = conversation({ client: "10.0.0.1:1025", server: "10.1.0.1:80" });
    fire.play(...good.handshake(), ...good.close(), bad.syn(), bad.syn(), bad.syn());
    assert.match(fire.take()[0] ?? "", /^22:13:20.005 10.0.0.9:1025 -> 10.1.0.1:80: drop tcp 10.0.0.9 any/);
    fire.play(good.ack("client", { time: 20_000 }));
    assert.deepEqual(fire.take().slice(0, 3), [
      "Rule                                             Flows  Packets",
      "drop tcp 10.0.0.9 any -> any any                     1        3",
      "accept tcp 10.0.0.0/24 any -> 10.1.0.0/16 80-89      1        6",
    ]);
  });

  test("statefulFirewall() says what is wrong with a rule", () => {
    for (const [rule, message] of [
      ["allow tcp any any -> any any", /Cannot read the rule 'allow/],
      ["accept tcp any any -> any", /Cannot read the rule/],
      ["accept tcp any http -> any any", /Cannot read the port 'http'/],
      ["accept tcp 10.0.0.0/33 any -> any any", /prefix/],
      ["accept tcp 10.0.0.256 any -> any any", /address/],
    ] as const) {
      assert.throws(() => world({ rules: [rule] }), message);
    }
  });

  test("statefulFirewall() fails on nothing in a capture", { skip: capturesSkipped }, async () => {
    await world().replay("ndpi/http_auth.pcap");
  });
});
