import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "#base/time.ts";
import { ALICE, BOB, started } from "../../../test/portal/world.ts";

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
});
