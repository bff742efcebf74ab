import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FlowEngine } from "metanet/flow";
import { minutes } from "#base/time.ts";
import { formatIpv4 } from "#packet/address.ts";
import { icmp } from "#packet/icmp.ts";
import { ipv4 } from "#packet/ipv4.ts";
import type { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import type { ConversationPacket } from "../../test/support/conversation.ts";
import { conversation } from "../../test/support/conversation.ts";
import { icmpEcho, udpTalk } from "../../test/support/conversation-other.ts";
import { Nat, type NatOptions } from "./nat.ts";
import { assertChecksums, queued } from "./test-world.ts";

const OUTSIDE = "203.0.113.1";
const SERVER = "198.51.100.7";

/** A router with a NAT between two links. */
class Router {
  readonly engine: FlowEngine = new FlowEngine({ onError: (_name, error) => assert.fail(String(error)) });
  readonly lines: string[] = [];
  readonly nat: Nat;

  constructor(options: NatOptions = {}) {
    this.nat = new Nat(this.engine, { print: (line) => this.lines.push(line), ...options });
  }

  /** What leaves outside; `undefined` when it is dropped. */
  out(packet: ConversationPacket): string | undefined {
    const given = queued(packet);
    return this.engine.handlePacket(given) ? described(given) : undefined;
  }

  /** What leaves inside. */
  in(packet: ConversationPacket): string | undefined {
    const given = queued(packet);
    if (this.nat.admit(given) && !this.engine.handlePacket(given)) return undefined;
    return described(given);
  }
}

/** `1.2.3.4:5 -> 6.7.8.9:10`; fails when a checksum is wrong. */
function described(packet: Packet): string {
  assertChecksums(packet);
  const ip = packet.find(ipv4);
  assert.ok(ip);
  const transport = ip.payload(tcp) ?? ip.payload(udp);
  const identifier = ip.payload(icmp)?.identifier;
  const from = `${formatIpv4(ip.source)}:${transport?.sourcePort ?? identifier}`;
  return `${from} -> ${formatIpv4(ip.destination)}:${transport?.destinationPort ?? identifier}`;
}

describe("nat", () => {
  test("Nat translates a TCP connection both ways, and frees its port when it has ended", () => {
    const router = new Router();
    const near = conversation({ client: "192.168.0.2:30000", server: `${SERVER}:80` });
    // The same connection as the server sees it: its packets go to the public address.
    const far = conversation({ client: `${OUTSIDE}:30000`, server: `${SERVER}:80` });
    far.syn();
    assert.equal(router.out(near.syn()), `${OUTSIDE}:30000 -> ${SERVER}:80`);
    assert.equal(router.in(far.synAck()), `${SERVER}:80 -> 192.168.0.2:30000`);
    near.synAck();
    assert.equal(router.out(near.ack("client")), `${OUTSIDE}:30000 -> ${SERVER}:80`);
    assert.equal(router.nat.usedPortCount, 1);
    router.out(near.fin("client"));
    far.ack("client");
    far.fin("client");
    assert.equal(router.in(far.fin("server")), `${SERVER}:80 -> 192.168.0.2:30000`);
    near.fin("server");
    router.out(near.ack("client"));
    assert.equal(router.nat.usedPortCount, 1);
    router.engine.advance(near.ack("client").time + minutes(1));
    assert.equal(router.nat.usedPortCount, 0);
  });

  test("Nat gives one client's port one public port, and two clients' two", () => {
    const router = new Router({ ports: [40_000, 40_001] });
    const ask = (client: string, server: string) => router.out(udpTalk({ client, server }).client("?"));
    assert.equal(ask("192.168.0.2:53", "198.51.100.1:53"), `${OUTSIDE}:40000 -> 198.51.100.1:53`);
    assert.equal(ask("192.168.0.2:53", "198.51.100.2:53"), `${OUTSIDE}:40000 -> 198.51.100.2:53`);
    assert.equal(ask("192.168.0.3:53", "198.51.100.1:53"), `${OUTSIDE}:40001 -> 198.51.100.1:53`);
    assert.equal(ask("192.168.0.4:53", "198.51.100.1:53"), undefined);
    assert.deepEqual(router.lines, ["no port is free for 192.168.0.4, protocol 17"]);
    const answer = udpTalk({ client: `${OUTSIDE}:40001`, server: "198.51.100.1:53" }).server("!");
    assert.equal(router.in(answer), "198.51.100.1:53 -> 192.168.0.3:53");
    const stranger = udpTalk({ client: `${OUTSIDE}:40007`, server: "198.51.100.1:53" }).server("!");
    assert.equal(router.in(stranger), `198.51.100.1:53 -> ${OUTSIDE}:40007`);
  });

  test("Nat frees ports of UDP and ICMP when nothing was heard for their time", () => {
    const router = new Router({ ports: [40_000, 40_000] });
    const ping = icmpEcho({ client: "192.168.0.2", server: SERVER });
    assert.equal(router.out(ping.request("x")), `${OUTSIDE}:40000 -> ${SERVER}:40000`);
    const pong = icmpEcho({ client: OUTSIDE, server: SERVER }).reply("x", { identifier: 40_000 });
    assert.equal(router.in(pong), `${SERVER}:1 -> 192.168.0.2:1`);
    const other = icmpEcho({ client: "192.168.0.3", server: SERVER });
    assert.equal(router.out(other.request("x")), undefined);
    // The flow is there still, and tries again.
    assert.equal(router.out(other.request("x", { time: 59_000 })), undefined);
    assert.equal(router.lines.length, 1);
    assert.equal(router.out(other.request("x", { time: 70_000 })), `${OUTSIDE}:40000 -> ${SERVER}:40000`);
  });

  test("Nat leaves alone what stays inside, and what it does not know", () => {
    const router = new Router();
    const within = udpTalk({ client: "192.168.0.2:1", server: "192.168.0.3:2" });
    assert.equal(router.out(within.client("x")), "192.168.0.2:1 -> 192.168.0.3:2");
    const beside = udpTalk({ client: "10.0.0.1:1", server: "10.0.0.2:2" });
    assert.equal(router.out(beside.client("x")), "10.0.0.1:1 -> 10.0.0.2:2");
  });
});
