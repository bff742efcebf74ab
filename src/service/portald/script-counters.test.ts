import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seconds } from "#base/time.ts";
import { packetd } from "#contract/packetd.ts";
import { RemoteError } from "#mailbox/errors.ts";
import { answer } from "#mailbox/verdict.ts";
import { ALICE, World } from "../../../test/portal/world.ts";
import type { PortaldOptions } from "./config.ts";
import { START_PATIENCE } from "./script-counters.ts";

const ALICE_KEY = String(0x0a4d_0064);
const ALICE_KEY6 = String((0x2001_0db8n << 96n) + 10n);

/** A portal beside a packetd whose maps a test fills. */
class ScriptWorld extends World {
  /** By `map key`; `undefined` while no script is loaded. */
  bytes: Map<string, number> | undefined = new Map();
  readonly asked: string[] = [];

  constructor(options: Partial<PortaldOptions> = {}) {
    super({ accounting: "packet-script", ...options });
    const { bus } = this.firewall;
    bus.offer(packetd);
    bus.provide("/packetd/map/read", (message) => {
      const [name, keys = []] = [message.get("name") ?? "", message.get("keys")];
      this.asked.push(...keys.map((key) => `${name} ${key}`));
      const { bytes } = this;
      if (bytes === undefined) throw new RemoteError("no-such-map", `Cannot find map '${name}'`);
      const there = keys.filter((key) => bytes.has(`${name} ${key}`));
      return answer({ key: there, value: there.map((key) => bytes.get(`${name} ${key}`) ?? 0), more: false });
    });
  }

  static async started(options: Partial<PortaldOptions> = {}): Promise<ScriptWorld> {
    const world = new ScriptWorld(options);
    await world.start();
    return world;
  }

  count(key: string, bytes: number): void {
    this.bytes?.set(key, (this.bytes.get(key) ?? 0) + bytes);
  }

  /** What the portal says that Alice has used, after a reading. */
  async used(): Promise<[up: number, down: number]> {
    await this.clock.advance(seconds(5));
    const { "up-bytes": up, "down-bytes": down } = (await this.call("/portald/sessions")) as {
      "up-bytes": number[];
      "down-bytes": number[];
    };
    return [up[0] ?? -1, down[0] ?? -1];
  }
}

const UP = `client-bytes-up ${ALICE_KEY}`;
const DOWN = `client-bytes-down ${ALICE_KEY}`;

describe("ScriptCounters", () => {
  test("a session's bytes are those of the packet scripts since its login, not the firewall's", async () => {
    const world = await ScriptWorld.started();
    // Of a session before, and of what a stranger tries.
    world.count(UP, 5000);
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 10, 77_777);
    world.count(UP, 300);
    world.count(DOWN, 4000);
    assert.deepEqual(await world.used(), [300, 4000]);
    world.count(DOWN, 1);
    assert.deepEqual(await world.used(), [300, 4001]);
    assert.deepEqual(world.log, ["info "]);
  });

  test("all addresses of a client count, IPv6 as well", async () => {
    const world = await ScriptWorld.started();
    await world.login(ALICE.address);
    await world.clock.advance(seconds(6));
    assert.ok(world.isPermitted(ALICE.address6));
    world.count(UP, 300);
    world.count(`client-bytes-up6 ${ALICE_KEY6}`, 50);
    assert.deepEqual(await world.used(), [350, 0]);
  });

  test("the firewall counts when no script does, and the log says so once each time", async () => {
    const world = await ScriptWorld.started();
    await world.login(ALICE.address);
    world.count(UP, 300);
    assert.deepEqual(await world.used(), [300, 0]);
    world.bytes = undefined;
    world.traffic(ALICE.address, 10, 100);
    // What was counted before the change is not counted again, nor what came with it.
    assert.deepEqual(await world.used(), [300, 0]);
    world.traffic(ALICE.address, 10, 100);
    assert.deepEqual(await world.used(), [400, 100]);
    world.bytes = new Map([[UP, 1000]]);
    assert.deepEqual(await world.used(), [400, 100]);
    world.count(UP, 5);
    assert.deepEqual(await world.used(), [405, 100]);
    assert.deepEqual(world.log, ["info ", "warn no-such-map", "info "]);
  });

  test("without packetd the firewall counts from the start", async () => {
    const world = new ScriptWorld();
    world.bytes = undefined;
    await world.start();
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 10, 100);
    assert.deepEqual(await world.used(), [100, 100]);
    assert.deepEqual(world.log, []);
    await world.clock.advance(START_PATIENCE);
    assert.deepEqual(world.log, ["warn no-such-map"]);
  });

  test("counters that begin again at 0, and a portal that does, lose and double nothing", async () => {
    const world = await ScriptWorld.started();
    await world.login(ALICE.address);
    world.count(UP, 300);
    await world.used();
    world.bytes = new Map([[UP, 20]]);
    assert.deepEqual(await world.used(), [320, 0]);
    await world.clock.advance(seconds(61));
    await world.crash();
    world.count(UP, 7);
    assert.deepEqual(await world.used(), [327, 0]);
  });

  test("a quota is that of the scripts' bytes", async () => {
    const world = await ScriptWorld.started({ quotaBytes: 1000 });
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 10, 5000);
    await world.used();
    assert.ok(world.isPermitted(ALICE.address));
    world.count(DOWN, 1000);
    await world.used();
    assert.ok(!world.isPermitted(ALICE.address));
  });

  test("nobody asks packetd when the firewall shall count", async () => {
    const world = await ScriptWorld.started({ accounting: "firewall" });
    await world.login(ALICE.address);
    world.traffic(ALICE.address, 10, 100);
    assert.deepEqual(await world.used(), [100, 100]);
    assert.deepEqual([world.asked, world.log], [[], []]);
  });
});
