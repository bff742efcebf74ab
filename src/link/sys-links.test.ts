import assert from "node:assert/strict";
import { test } from "node:test";
import { offerSys } from "#contract/sys-provider.ts";
import { DeniedError } from "#mailbox/errors.ts";
import { answer } from "#mailbox/verdict.ts";
import { SimWorld } from "../../test/link/sim-world.ts";

test("/sys/links tells who is linked, and /sys/statistics what all links have counted, ended ones included", async () => {
  const world = new SimWorld();
  const rules = [{ prefix: "/open", may: ["send"], uids: [2000] }] as const;
  const owner = await world.start("owner", { rules });
  const end = offerSys(owner.bus, [], () => owner.links);
  owner.bus.provide("/open", () => answer({}));
  const stranger = await world.start("stranger", { uid: 2000 });
  await world.settled(stranger.bus.call("owner:/open", {}));
  await assert.rejects(world.settled(stranger.bus.call("owner:/shut", {})), DeniedError);
  const links = (await owner.bus.call("/sys/links", {})).toObject();
  assert.deepEqual(
    { ...links, "frames-sent": undefined, "frames-received": undefined, pid: undefined },
    {
      peer: ["stranger"],
      uid: [2000],
      pid: undefined,
      initiated: [false],
      guests: [0],
      pending: [0],
      "waiting-bytes": [0],
      "frames-sent": undefined,
      "frames-received": undefined,
      "copies-dropped": [0],
      overflows: [0],
      malformed: [0],
      late: [0],
      denied: [1],
    },
  );
  assert.ok(Number((links["frames-received"] as number[])[0]) >= 3);
  stranger.kill();
  owner.bus.post("nobody:/x", {});
  await world.pass();
  const statistics = (await owner.bus.call("/sys/statistics", {})).toObject();
  assert.deepEqual(
    [statistics.links, statistics.denied, statistics["posts-lost"], statistics.violations],
    [0, 1, 1, 0],
  );
  end();
});
