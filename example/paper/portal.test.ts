import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { offerObjects } from "#app/metanet.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { firewall } from "#contract/firewall.ts";
import { Bus } from "#mailbox/bus.ts";
import type { Router } from "#mailbox/router.ts";
import { answer } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { PaperPortal } from "./portal.ts";

const CLIENT = { mac: mac("02:00:00:00:00:0a"), address: ip("127.0.0.1") };

/** The broker, on a bus of its own, with one counter. */
class Broker {
  readonly bus: Bus;
  isOpen = false;
  bytes = 0;

  constructor(clock: SimClock) {
    this.bus = new Bus({ name: "firewall", clock });
    this.bus.offer(firewall);
    this.bus.provide("/firewall/permit", (message) => {
      this.isOpen = message.get("mac")?.equals(CLIENT.mac) === true && message.get("mark") === 1;
      return answer();
    });
    this.bus.provide("/firewall/revoke", () => {
      this.isOpen = false;
      return answer({ revoked: 1 });
    });
    this.bus.provide("/firewall/counters", () => {
      return answer({ address: [CLIENT.address], "up-bytes": [this.bytes], "down-bytes": [this.bytes] });
    });
  }

  get router(): Router {
    const call: Router["call"] = (to, message) =>
      this.bus.call(to.path, message) as ReturnType<Router["call"]>;
    return { call } as Router;
  }
}

describe("the paper's portal, over real HTTP", () => {
  // The time is simulated, so that idleness takes no time; the HTTP is real.
  const clock = new SimClock();
  const broker = new Broker(clock);
  const net = new Bus({ name: "paper-portal", clock });
  let origin = "";

  before(async () => {
    net.router = broker.router;
    offerObjects(net);
    const port = await new PaperPortal(net, {
      port: 0,
      idle: seconds(60),
      interval: seconds(5),
      find: async () => CLIENT.mac,
    }).start();
    origin = `http://127.0.0.1:${port}`;
  });
  after(() => net.send("/captive/server/close", {}));

  test("redirects a page from the Internet to itself, in three ways", async () => {
    const { request } = await import("node:http");
    const reply = await new Promise<import("node:http").IncomingMessage>((resolve) => {
      request(`${origin}/news`, { headers: { host: "web.example" } }, resolve).end();
    });
    const location = `${origin}/?url=http%3A%2F%2Fweb.example%2Fnews`;
    assert.equal(reply.statusCode, 307);
    assert.equal(reply.headers.location, location);
    assert.equal(reply.headers.refresh, `1;URL=${location}`);
    assert.equal(reply.headers.connection, "close");
    const body = (await reply.setEncoding("utf8").toArray()).join("");
    assert.match(
      body,
      /This page has been <a href="http:\/\/127\.0\.0\.1:\d+\/\?url=http%3A%2F%2Fweb\.example%2Fnews">moved/,
    );
  });

  test("serves its own page, logs in, and out again when nothing moves any more", async () => {
    assert.match(await (await fetch(origin)).text(), /Go online/);
    assert.equal(broker.isOpen, false);
    assert.match(await (await fetch(`${origin}/login`, { method: "POST" })).text(), /You are online/);
    assert.equal(broker.isOpen, true);
    await clock.advance(seconds(50));
    broker.bytes = 1000;
    await clock.advance(seconds(60));
    assert.equal(broker.isOpen, true);
    await clock.advance(seconds(10));
    assert.equal(broker.isOpen, false);
    await clock.advance(milliseconds(1));
  });

  test("lets somebody else put a listener in front, who keeps a client out", async () => {
    await net.prepend("/captive/server/request", "closed", (message) => {
      net.send(`${message.get("clientname")}/response`, { code: 503, data: "closed at night" });
      net.send(`${message.get("clientname")}/close`, {});
      return { verdict: "stop" };
    });
    assert.equal(await (await fetch(origin)).text(), "closed at night");
    await net.detach({ to: "/captive/server/request", label: "closed" });
    assert.match(await (await fetch(origin)).text(), /Go online/);
  });
});
