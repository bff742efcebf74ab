import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { seconds } from "#base/time.ts";
import { SimClock } from "#sim/clock.ts";
import { SimDisk } from "#sim/store.ts";
import { ALICE, BOB, started } from "../../../test/portal/world.ts";
import { SessionBook } from "./session-book.ts";

describe("SessionBook", () => {
  test("saveAgain() keeps what was opened and forgets what was closed while the disk was full", async () => {
    const world = await started();
    await world.login(ALICE.address);
    world.disk.fault = "full";
    const token = await world.token(ALICE.address, "/status");
    await world.ask(ALICE.address, "/logout", { method: "POST", body: `token=${token}` });
    await world.login(BOB.address);
    assert.ok(world.isPermitted(BOB.address), "nobody is shut out for our disk");
    assert.deepEqual([...world.disk.table("portal-sessions").keys()], [String(ALICE.mac)]);
    world.disk.fault = undefined;
    await world.clock.advance(seconds(6));
    assert.deepEqual([...world.disk.table("portal-sessions").keys()], [String(BOB.mac)]);
    await world.crash();
    assert.equal(world.isPermitted(ALICE.address), false);
    assert.ok(world.isPermitted(BOB.address));
  });

  test("a store that refuses is told once, and once more when it takes everything again", async () => {
    const world = await started();
    world.disk.fault = "full";
    await world.login(ALICE.address);
    await world.clock.advance(seconds(20));
    world.disk.fault = undefined;
    await world.clock.advance(seconds(6));
    assert.deepEqual(world.log, ["error store-full", "info "]);
  });

  test("save() shares one commit among all who come at once, and each hears of it when it is durable", async () => {
    const clock = new SimClock();
    const store = new SimDisk({ clock }).open();
    let commitCount = 0;
    const commit = store.commit.bind(store);
    store.commit = (writes) => {
      commitCount++;
      return commit(writes);
    };
    const book = new SessionBook({ store, clock, countMax: 1000 });
    await clock.advance(seconds(1));
    const saved: number[] = [];
    for (let index = 0; index < 500; index++) {
      const session = book.obtain(mac(Uint8Array.of(2, 0, 0, 0, index >> 8, index & 255)), clock.now());
      assert.ok(session);
      session.login(ip("10.0.0.1"), { idle: seconds(60), session: seconds(60), quotaBytes: 0 }, clock.now());
      session.permitAnswered(ip("10.0.0.1"), clock.now());
      void book.save([session]).then(() => saved.push(index));
    }
    await clock.advance(seconds(1));
    assert.equal(saved.length, 500);
    assert.equal([...store.entries("portal-sessions")].length, 500);
    assert.equal(commitCount, 2, "the first at once, the others together");
  });
});
