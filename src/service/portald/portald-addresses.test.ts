import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { IpAddress, ip } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import { seconds } from "#base/time.ts";
import { ADDRESS_COUNT_MAX, REFUSED_COUNT_MAX } from "#protocol/portal/session.ts";
import { ALICE, BOB, started, type World } from "../../../test/portal/world.ts";
import { LOOK_INTERVAL } from "./address-watch.ts";
import { COUNTER_ROWS_MAX } from "./firewall-door.ts";

const POLL = seconds(5);
const TEMPORARY = ip("2001:db8::7:1");
const LINK_LOCAL = ip("fe80::a");
const ABROAD = ip("2001:db8:dead::a");

/** Counts how often the neighbour table is looked at. */
function countLooks(world: World): () => number {
  let count = 0;
  const look = world.neighbours.addressesOf.bind(world.neighbours);
  world.neighbours.addressesOf = (macs) => {
    count++;
    return look(macs);
  };
  return () => count;
}

function addressesOf(world: World, client: MacAddress): string[] {
  return [...world.firewall.permits.values()]
    .filter((permit) => permit.mac.equals(client))
    .map((permit) => String(permit.address));
}

describe("a client with several addresses", () => {
  for (const [from, other] of [
    [ALICE.address, ALICE.address6],
    [ALICE.address6, ALICE.address],
  ] as const) {
    test(`logs in over IPv${from.family} and may pass with all of them at once`, async () => {
      const world = await started();
      world.neighbours.add(TEMPORARY, ALICE.mac);
      world.neighbours.add(LINK_LOCAL, ALICE.mac);
      await world.login(from);
      await world.clock.advance(LOOK_INTERVAL);
      assert.deepEqual(new Set(addressesOf(world, ALICE.mac)), new Set([from, other, TEMPORARY].map(String)));
      assert.ok(!world.firewall.asked.includes(String(LINK_LOCAL)), "what never leaves the link");
      assert.equal((await world.call("/portald/statistics")).logins, 1);
    });
  }

  test("may pass with an address that appears later, within a poll", async () => {
    const world = await started();
    await world.login(ALICE.address);
    await world.clock.advance(seconds(60));
    world.neighbours.add(TEMPORARY, ALICE.mac);
    await world.clock.advance(POLL);
    assert.ok(world.isPermitted(TEMPORARY));
  });

  test("is asked once about an address that the firewall's policy refuses, which is counted", async () => {
    const world = await started();
    world.neighbours.add(ABROAD, ALICE.mac);
    await world.login(ALICE.address);
    await world.clock.advance(seconds(60));
    assert.equal(world.firewall.asked.filter((address) => address === String(ABROAD)).length, 1);
    const statistics = await world.call("/portald/statistics");
    assert.deepEqual([statistics["refused-addresses"], statistics["firewall-failures"]], [1, 0]);
    assert.deepEqual((await world.call("/portald/sessions")).addresses, ["10.77.0.100 2001:db8::a"]);
  });

  test(`with ${REFUSED_COUNT_MAX} refused addresses is asked about no more`, async () => {
    const world = await started();
    for (let index = 0; index < 4 * REFUSED_COUNT_MAX; index++) {
      world.neighbours.add(ip(`2001:db8:dead::${index}`), ALICE.mac);
    }
    await world.login(ALICE.address);
    for (let polls = 0; polls < 10; polls++) await world.clock.advance(POLL);
    assert.ok(world.firewall.asked.length <= 2 + REFUSED_COUNT_MAX + ADDRESS_COUNT_MAX);
  });

  test(`never passes with more than ${ADDRESS_COUNT_MAX}; one that it has given up makes room`, async () => {
    const world = await started();
    const used = Array.from({ length: 3 * ADDRESS_COUNT_MAX }, (_, index) => ip(`2001:db8::9:${index + 1}`));
    await world.login(ALICE.address);
    for (const address of used) world.neighbours.add(address, ALICE.mac);
    await world.clock.advance(seconds(60));
    const before = addressesOf(world, ALICE.mac);
    assert.equal(before.length, ADDRESS_COUNT_MAX);
    const asked = world.firewall.asked.length;
    await world.clock.advance(seconds(60));
    assert.equal(world.firewall.asked.length, asked, "addresses do not take turns");
    for (const address of used) world.neighbours.remove(address);
    world.neighbours.add(TEMPORARY, ALICE.mac);
    await world.clock.advance(POLL);
    assert.ok(world.isPermitted(TEMPORARY));
    assert.equal(addressesOf(world, ALICE.mac).length, ADDRESS_COUNT_MAX);
  });

  test("does not take an address from another one that passes with it", async () => {
    const world = await started();
    await world.login(ALICE.address);
    await world.login(BOB.address);
    world.neighbours.add(ALICE.address, BOB.mac);
    await world.clock.advance(seconds(60));
    assert.deepEqual(addressesOf(world, BOB.mac), ["10.77.0.101"]);
    assert.ok(addressesOf(world, ALICE.mac).includes("10.77.0.100"));
  });

  test("after a restart may pass with what has appeared meanwhile", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.neighbours.add(TEMPORARY, ALICE.mac);
    await world.crash();
    assert.ok(world.isPermitted(TEMPORARY));
  });

  test("keeps the one it came with when the neighbour table cannot be read", async () => {
    const world = await started();
    world.neighbours.addressesOf = () => Promise.reject(new Error("gone"));
    await world.login(ALICE.address);
    await world.clock.advance(seconds(60));
    assert.deepEqual(addressesOf(world, ALICE.mac), ["10.77.0.100"]);
  });
});

describe("the neighbour table", () => {
  test("is looked at once per poll, and once per interval for logins, however many clients there are", async () => {
    const world = await started();
    const looks = countLooks(world);
    const clients = Array.from({ length: 100 }, (_, index) => ({
      mac: mac(Uint8Array.of(2, 0, 0, 1, 0, index)),
      address: IpAddress.fromUint32(0x0a4d0200 + index),
    }));
    await world.run(Promise.all(clients.map((client) => world.bus.call("/portald/login", client))));
    await world.clock.advance(LOOK_INTERVAL);
    assert.ok(looks() <= 3, `${looks()} looks for 100 logins`);
    const before = looks();
    await world.clock.advance(POLL);
    assert.equal(looks(), before + 1);
  });
});

describe("the firewall's counters", () => {
  test("are read page by page when there are many", async () => {
    const world = await started();
    await world.login(ALICE.address);
    for (let index = 0; index <= 2 * COUNTER_ROWS_MAX; index++) {
      const address = IpAddress.fromUint32(0x0a4e0000 + index);
      const client = mac(Uint8Array.of(2, 0, 0, 2, index >> 8, index & 255));
      world.firewall.permits.set(String(address), { mac: client, address, mark: 7, packets: 0, bytes: 0 });
    }
    // At the end of the last page.
    const mine = world.firewall.permits.get("10.77.0.100");
    assert.ok(mine && world.firewall.permits.delete("10.77.0.100"));
    world.firewall.permits.set("10.77.0.100", { ...mine, packets: 50, bytes: 4000 });
    await world.clock.advance(POLL);
    assert.deepEqual((await world.call("/portald/sessions"))["up-bytes"], [4000]);
  });
});
