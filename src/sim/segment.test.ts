import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds } from "#base/time.ts";
import { INBOX_COUNT_MAX } from "./broadcast-socket.ts";
import { SimClock } from "./clock.ts";
import { HOST_COUNT_MAX, type SegmentOptions, SimSegment } from "./segment.ts";
import { SimSocketHandover } from "./socket-handover.ts";

const EVERYONE = { address: ip("255.255.255.255"), port: 67 };

/** Two hosts with a socket each on port 67. */
function twoHosts(options: Partial<SegmentOptions> = {}) {
  const clock = new SimClock();
  const segment = new SimSegment({ clock, ...options });
  const [left, right] = ["left", "right"].map((name, index) =>
    segment.attach({ name, link: mac(`02:00:00:00:00:0${index}`) }).openBroadcastSocket(67),
  );
  assert.ok(left && right);
  return { clock, segment, left, right };
}

describe("SimSegment", () => {
  it("delivers after its delay and not before", async () => {
    const { clock, left, right } = twoHosts({ delay: milliseconds(5) });
    let receivedCount = 0;
    right.onDatagrams((batch) => {
      receivedCount += batch.length;
    });
    left.send(Uint8Array.of(1), EVERYONE);
    await clock.advance(milliseconds(4));
    assert.equal(receivedCount, 0);
    await clock.advance(milliseconds(1));
    assert.equal(receivedCount, 1);
  });

  for (const copies of [0, 1, 2]) {
    it(`delivers ${copies} copies when told so`, async () => {
      const { clock, left, right } = twoHosts({ copies: () => copies });
      let receivedCount = 0;
      right.onDatagrams((batch) => {
        receivedCount += batch.length;
      });
      left.send(Uint8Array.of(1), EVERYONE);
      await clock.advance(milliseconds(0));
      assert.equal(receivedCount, copies);
    });
  }

  it("gives every receiver its own bytes, which the sender cannot change afterwards", async () => {
    const { clock, left, right } = twoHosts();
    const payload = Uint8Array.of(1);
    const seen: number[] = [];
    right.onDatagrams((batch) => seen.push(...batch.map((datagram) => datagram.payload[0] ?? -1)));
    left.send(payload, EVERYONE);
    payload[0] = 9;
    await clock.advance(milliseconds(0));
    assert.deepEqual(seen, [1]);
  });

  it(`loses what comes when ${INBOX_COUNT_MAX} datagrams wait for a handler`, async () => {
    const { clock, left, right } = twoHosts();
    for (let count = 0; count < INBOX_COUNT_MAX + 10; count++) left.send(Uint8Array.of(1), EVERYONE);
    await clock.advance(milliseconds(0));
    right.onDatagrams(() => {});
    await clock.advance(milliseconds(0));
    assert.equal(right.counters.receivedCount, INBOX_COUNT_MAX);
  });

  it(`refuses host ${HOST_COUNT_MAX + 1}`, () => {
    const segment = new SimSegment({ clock: new SimClock() });
    const link = mac("02:00:00:00:00:01");
    for (let count = 0; count < HOST_COUNT_MAX; count++) segment.attach({ name: "host", link });
    assert.throws(() => segment.attach({ name: "host", link }), ConfigurationError);
  });
});

describe("SimSocketHandover", () => {
  it("ask() is granted or refused as the policy says, and not at all before serve() and after close()", () => {
    const handover = new SimSocketHandover();
    const peer = { uid: 65534, gid: 65534, pid: 1 };
    const heard: string[] = [];
    assert.equal(handover.ask({ kind: "dhcp4", interface: "lan0" }, peer), false);
    handover.serve({
      decide: (request) => (request.interface === "lan0" ? undefined : "not in the configuration"),
      onRefusal: ({ message }) => heard.push(message),
      onHandover: (request) => heard.push(`handed over ${request.interface}`),
    });
    assert.equal(handover.ask({ kind: "dhcp4", interface: "lan0" }, peer), true);
    assert.equal(handover.ask({ kind: "dhcp4", interface: "wan0" }, peer), false);
    handover.close();
    assert.equal(handover.ask({ kind: "dhcp4", interface: "lan0" }, peer), false);
    assert.deepEqual(heard, ["handed over lan0", "not in the configuration"]);
  });
});
