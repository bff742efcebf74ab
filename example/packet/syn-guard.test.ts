import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { milliseconds, seconds } from "#base/time.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { established, packetOf, ScriptWorld } from "./test-world.ts";

/** A SYN of a source, told by a number. */
function syn(source: number, port = 4000, sequence = 1, version: 4 | 6 = 4) {
  const ip =
    version === 4
      ? ipv4.header({ source: 0x0a00_0000 + source, destination: "192.0.2.80" })
      : ipv6.header({ source: 0x2001_0db8n << (96n + BigInt(source)), destination: "2001:db8::80" });
  return packetOf(ip, tcp.header({ sourcePort: port, destinationPort: 80, syn: true, sequence }));
}

function acknowledgment(source: number) {
  const ip = ipv4.header({ source: 0x0a00_0000 + source, destination: "192.0.2.80" });
  return packetOf(ip, tcp.header({ sourcePort: 4000, destinationPort: 80, ack: true }));
}

async function world(): Promise<ScriptWorld> {
  return ScriptWorld.load("syn-guard.ts", "guard");
}

/** How many of `count` SYNs go on. */
async function passed(one: ScriptWorld, count: number, make: (index: number) => ReturnType<typeof syn>) {
  let passedCount = 0;
  for (let index = 0; index < count; index++) {
    if ((await one.give("guard", make(index))).verdict === "continue") passedCount++;
  }
  return passedCount;
}

describe("syn-guard", () => {
  for (const version of [4, 6] as const) {
    test(`guard() lets one source of IPv${version} have 32 connections half open`, async () => {
      const one = await world();
      assert.equal(await passed(one, 200, (index) => syn(1, 1000 + index, index, version)), 32);
      assert.ok(one.counter("guard", "too many half open") > 0);
    });
  }

  test("guard() gives one source 20 a second when it has used up its burst", async () => {
    const one = await world();
    for (let index = 0; index < 40; index++) {
      await one.give("guard", syn(1, 1000 + index, index));
      await one.give("guard", acknowledgment(1), { connection: established() });
    }
    assert.equal((await one.give("guard", syn(1, 2000))).verdict, "drop");
    assert.ok(one.counter("guard", "too many from one source") > 0);
    await one.wait(seconds(1));
    assert.equal(await passed(one, 100, (index) => syn(1, 3000 + index)), 20);
  });

  test("guard() drops a flood from many sources beyond the strangers' allowance", async () => {
    const one = await world();
    assert.equal(await passed(one, 5000, (index) => syn(index, 4000, index)), 200);
    await one.wait(seconds(1));
    assert.equal(await passed(one, 5000, (index) => syn(10_000 + index, 4000, index)), 100);
  });

  test("guard() lets a stranger in during a flood who sends the same SYN again a second later", async () => {
    const one = await world();
    await passed(one, 1000, (index) => syn(index, 4000, index));
    assert.equal((await one.give("guard", syn(70_000, 5000, 77))).verdict, "drop");
    // At once, and another SYN: a flood could do that as well.
    assert.equal((await one.give("guard", syn(70_000, 5000, 77))).verdict, "drop");
    await one.wait(seconds(1));
    await passed(one, 1000, (index) => syn(index + 1000, 4000, index));
    assert.equal((await one.give("guard", syn(70_000, 5000, 78))).verdict, "drop");
    assert.equal((await one.give("guard", syn(70_000, 5000, 77))).verdict, "continue");
    assert.equal(one.counter("guard", "strangers that came again"), 1);
  });

  test("guard() lets who has finished a handshake in during a flood at once, and marks the connection", async () => {
    const one = await world();
    assert.equal((await one.give("guard", syn(70_000))).verdict, "continue");
    const connection = established();
    await one.give("guard", acknowledgment(70_000), { connection });
    assert.equal(connection.mark, 0x2000);
    await passed(one, 1000, (index) => syn(index, 4000, index));
    assert.equal((await one.give("guard", syn(70_000, 4001))).verdict, "continue");
    await one.wait(milliseconds(1));
  });
});
