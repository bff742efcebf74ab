import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { minutes, seconds } from "#base/time.ts";
import { change, reject, stop } from "#mailbox/verdict.ts";
import { ALICE, BOB, started } from "../../../test/portal/world.ts";

describe("the end of a session", () => {
  test("status page shows what was used, and its button logs out", async () => {
    const world = await started({ quotaBytes: 5_000_000 });
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 1000, 1_234_567);
    await world.clock.advance(seconds(65));
    const status = await world.ask(ALICE.address, "/status");
    assert.equal(status.headers.get("refresh"), "15");
    for (const words of ["1 min", "1.2 MB", "2.5 MB", "11 h 58 min"]) {
      assert.ok(status.text.includes(`<dd>${words}</dd>`), `${words} in ${status.text}`);
    }
    assert.ok(status.text.includes(`<dd class="code">${ALICE.mac}</dd>`));
    const closed = world.bus.wait("/portald/closed");
    const token = await world.token(ALICE.address, "/status");
    const reply = await world.ask(ALICE.address, "/logout", { method: "POST", body: `token=${token}` });
    assert.equal(reply.status, 200);
    assert.match(reply.text, /You are offline/);
    assert.equal(world.isPermitted(ALICE.address), false);
    assert.equal((await closed).get("reason"), "logged-out");
    assert.equal(world.disk.table("portal-sessions").size, 0);
  });

  test("a logout without the page's token is refused", async () => {
    const world = await started();
    await world.login(ALICE.address);
    const reply = await world.ask(ALICE.address, "/logout", { method: "POST" });
    assert.equal(reply.status, 403);
    assert.ok(world.isPermitted(ALICE.address));
  });

  test("a logout while the firewall is away closes the door as soon as it is back", async () => {
    const world = await started();
    await world.login(ALICE.address);
    const token = await world.token(ALICE.address, "/status");
    world.firewall.isAway = true;
    await world.ask(ALICE.address, "/logout", { method: "POST", body: `token=${token}` });
    assert.ok(world.isPermitted(ALICE.address));
    world.firewall.isAway = false;
    await world.clock.advance(seconds(3));
    assert.equal(world.isPermitted(ALICE.address), false);
  });

  test("comes by idleness, counted from the last reading that moved, and the client is told why", async () => {
    const world = await started({ idle: minutes(10) });
    await world.login(ALICE.address);
    await world.clock.advance(seconds(300));
    world.traffic(ALICE.address, 50, 5000);
    await world.clock.advance(seconds(600));
    assert.ok(world.isPermitted(ALICE.address));
    await world.clock.advance(seconds(10));
    assert.equal(world.isPermitted(ALICE.address), false);
    assert.match((await world.ask(ALICE.address, "/login")).text, /nothing was sent or received/);
  });

  test("by idleness is not what a chatty sleeping phone escapes", async () => {
    const world = await started({ idle: minutes(10) });
    await world.login(ALICE.address);
    for (let count = 0; count < 100; count++) {
      await world.clock.advance(seconds(10));
      if (world.isPermitted(ALICE.address)) world.traffic(ALICE.address, 1, 60);
    }
    assert.equal(world.isPermitted(ALICE.address), false);
  });

  const spares: Readonly<
    Record<string, () => ReturnType<typeof reject> | ReturnType<typeof change> | typeof stop>
  > = {
    rejects: () => reject("a printer"),
    stops: () => stop,
    "grants a longer time-out": () => change({ set: { idle: minutes(30) } }),
  };
  for (const [what, verdict] of Object.entries(spares)) {
    test(`by idleness does not come when a listener ${what}`, async () => {
      const world = await started({ idle: minutes(10) });
      world.bus.append("/portald/idle", "spare", verdict);
      await world.login(ALICE.address);
      await world.clock.advance(minutes(25));
      assert.ok(world.isPermitted(ALICE.address));
    });
  }

  test("comes at the end of the time that a listener of `login` granted", async () => {
    const world = await started();
    world.bus.append("/portald/login", "short", () => change({ set: { session: minutes(5), idle: 0 } }));
    await world.login(ALICE.address);
    await world.clock.advance(seconds(299));
    assert.ok(world.isPermitted(ALICE.address));
    await world.clock.advance(seconds(1));
    assert.equal(world.isPermitted(ALICE.address), false);
  });

  test("comes at the end of the volume", async () => {
    const world = await started({ quotaBytes: 10_000 });
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 10, 5000);
    await world.clock.advance(seconds(6));
    assert.equal(world.isPermitted(ALICE.address), false);
    assert.match((await world.ask(ALICE.address, "/login")).text, /your volume was used up/);
  });

  test("does not come while the firewall is away: what nobody can count is not idle", async () => {
    const world = await started({ idle: minutes(1) });
    await world.login(ALICE.address);
    world.firewall.isAway = true;
    await world.clock.advance(minutes(30));
    world.traffic(ALICE.address, 500, 5000);
    world.firewall.isAway = false;
    await world.clock.advance(seconds(20));
    assert.ok(world.isPermitted(ALICE.address));
  });
});

describe("a restart", () => {
  test("by kill -9 logs nobody in twice and loses no counter", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 100, 7000);
    await world.clock.advance(minutes(2));
    world.traffic(ALICE.address, 100, 3000);
    await world.crash();
    await world.clock.advance(seconds(6));
    const sessions = await world.call("/portald/sessions");
    assert.deepEqual(sessions["up-bytes"], [10_000]);
    assert.equal((await world.ask(ALICE.address, "/login")).text.includes("Connected for"), true);
    assert.ok(world.isPermitted(ALICE.address));
  });

  test("permits again what the firewall lost meanwhile, and shuts out what has no session", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.firewall.permits.clear();
    world.firewall.permits.set("10.77.0.101", { ...BOB, mark: 1, packets: 0, bytes: 0 });
    world.firewall.permits.set("10.77.0.9", {
      mac: mac("02:00:00:00:00:99"),
      address: ip("10.77.0.9"),
      mark: 7,
      packets: 0,
      bytes: 0,
    });
    await world.crash();
    assert.deepEqual([...world.firewall.permits.keys()].sort(), ["10.77.0.100", "10.77.0.9", "2001:db8::a"]);
  });

  test("while the firewall is away serves pages, and compares as soon as it is back", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.firewall.permits.set("10.77.0.101", { ...BOB, mark: 1, packets: 0, bytes: 0 });
    world.firewall.isAway = true;
    await world.crash();
    assert.equal((await world.ask(BOB.address, "/login")).status, 200);
    world.firewall.isAway = false;
    await world.clock.advance(seconds(6));
    assert.deepEqual([...world.firewall.permits.keys()], ["10.77.0.100", "2001:db8::a"]);
  });

  test("keeps the secret: a page that was open still works", async () => {
    const world = await started();
    const token = await world.token(ALICE.address);
    await world.crash();
    assert.equal((await world.login(ALICE.address, { token })).status, 303);
  });

  test("ends what ran out meanwhile", async () => {
    const world = await started({ session: minutes(5) });
    await world.login(ALICE.address);
    world.disk.crash();
    world.bus.router = undefined;
    await world.clock.advance(minutes(6));
    await world.crash();
    await world.clock.advance(seconds(1));
    assert.equal(world.isPermitted(ALICE.address), false);
  });
});
