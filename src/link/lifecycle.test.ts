import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "#base/time.ts";
import { DeniedError } from "#mailbox/errors.ts";
import { answer, stop } from "#mailbox/verdict.ts";
import { SimWorld } from "../../test/link/sim-world.ts";

async function pair(): Promise<
  { world: SimWorld } & Record<"owner" | "other", Awaited<ReturnType<SimWorld["start"]>>>
> {
  const world = new SimWorld();
  return { world, owner: await world.start("dhcpd"), other: await world.start("glue") };
}

describe("rights", () => {
  test("another user may do what the table grants, and nothing else", async () => {
    const world = new SimWorld();
    const rules = [{ prefix: "/door/open", may: ["send"], uids: [65534] }] as const;
    const owner = await world.start("door", { uid: 500, rules });
    const other = await world.start("portald", { uid: 65534 });
    owner.bus.provide("/door/open", () => answer({}));
    owner.bus.provide("/door/opened", () => answer({}));
    await world.settled(other.bus.call("door:/door/open", {}));
    for (const refused of [
      () => other.bus.call("door:/door/opened", {}),
      () => other.bus.append("door:/door/open", "l", () => stop),
      () => other.bus.observe("door:/door/open", "o", () => undefined),
    ]) {
      await assert.rejects(world.settled<unknown>(refused()), (error: unknown) => {
        assert.ok(error instanceof DeniedError);
        assert.match(error.message, /user 65534 has no right/);
        return true;
      });
    }
  });

  test("root may do everything", async () => {
    const world = new SimWorld();
    const owner = await world.start("dhcpd", { uid: 65534 });
    const root = await world.start("cli", { uid: 0 });
    owner.bus.provide("/x", () => answer({}));
    await world.settled(root.bus.call("dhcpd:/x", {}));
  });
});

describe("a link", () => {
  test("whose peer is silent is asked, and given up when nothing comes", async () => {
    const { world, owner, other } = await pair();
    owner.bus.provide("/x", () => answer({}));
    await world.settled(other.bus.call("dhcpd:/x", {}));
    await world.pass(seconds(120));
    assert.equal(other.links.describe().length, 1);
    owner.transport.stall();
    await world.pass(seconds(30));
    assert.equal(other.links.describe().length, 0);
  });

  test("is one when both connect at the same moment, and works both ways", async () => {
    const { world, owner, other } = await pair();
    owner.bus.provide("/x", () => answer({ at: "dhcpd" }));
    other.bus.provide("/x", () => answer({ at: "glue" }));
    const asked: string[] = [];
    const both = Promise.all([
      other.bus.append("dhcpd:/y", "l", () => void asked.push("glue")),
      owner.bus.append("glue:/y", "l", () => void asked.push("dhcpd")),
      other.bus.call("dhcpd:/x", {}),
      owner.bus.call("glue:/x", {}),
    ]);
    const [, , one, two] = await world.settled(both);
    assert.deepEqual([one.get("at"), two.get("at")], ["dhcpd", "glue"]);
    await world.pass(seconds(3));
    assert.equal(owner.links.describe().length, 1);
    assert.equal(other.links.describe().length, 1);
    owner.bus.open("/y", { kind: "event" });
    other.bus.open("/y", { kind: "event" });
    await world.settled(Promise.all([owner.bus.send("/y", {}), other.bus.send("/y", {})]));
    assert.deepEqual(asked.sort(), ["dhcpd", "glue"]);
  });

  test("with a second process of a living one's name is refused", async () => {
    const { world, owner } = await pair();
    await assert.rejects(world.start("dhcpd"), /another process of this name is running/);
    owner.bus.provide("/x", () => answer({}));
    assert.equal(owner.links.describe().length, 0);
  });
});
