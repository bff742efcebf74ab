import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { UnavailableError } from "#base/errors.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { milliseconds, seconds } from "#base/time.ts";
import { Bus } from "#mailbox/bus.ts";
import { RejectedError } from "#mailbox/errors.ts";
import type { Loose, Message } from "#mailbox/message.ts";
import { answer } from "#mailbox/verdict.ts";
import { ScriptLoadError } from "#script/errors.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { SimClock } from "#sim/clock.ts";
import { SimDisk } from "#sim/store.ts";
import { SimulatedEngine } from "../../../test/support/simulated-engine.ts";
import type { ScriptOptions } from "./config.ts";
import { PacketdService } from "./packetd-service.ts";

const NAMESPACE = "net:[4026531840]";
const nat = { name: "nat", file: "/scripts/nat.ts", function: "snat", hook: "postrouting" };

describe("PacketdService", () => {
  let clock: SimClock;
  let disk: SimDisk;
  let engine: SimulatedEngine;
  let bus: Bus;
  let service: PacketdService;
  let events: string[];
  let logged: { level: string; text: string; fields: Record<string, unknown> }[];
  let maps: MapDirectory;

  /** A packetd process on the machine, and what it does while the disk works. */
  async function start(
    scripts: readonly ScriptOptions[] = [],
    next: SimulatedEngine = new SimulatedEngine(),
  ): Promise<void> {
    bus = new Bus({ name: "packetd", clock });
    engine = next;
    service = new PacketdService({
      bus,
      engine,
      maps,
      store: disk.open(),
      scripts,
      machine: {
        namespace: NAMESPACE,
        interfaceNames: () => ["lo", "lan0", "veth1"],
        fileProblem: (file) => (file.startsWith("/root/") ? "nobody may not look into /root" : undefined),
      },
      log: (level, text, fields) => logged.push({ level, text, fields }),
    });
    await service.start();
    for (const event of ["loaded", "unloaded", "failed", "log"]) {
      await bus.observe(`/packetd/script/${event}`, "test", (message: Message<Loose>) => {
        events.push([event, ...message.tuples.filter((_, index) => index % 2 === 1)].join(" "));
      });
    }
  }

  /** `kill -9`, and the next start. */
  async function crash(scripts: readonly ScriptOptions[] = [], next?: SimulatedEngine): Promise<void> {
    disk.crash();
    await start(scripts, next);
  }

  /** A call, with time for the disk. */
  async function call(path: string, fields: Record<string, unknown>): Promise<Record<string, unknown>> {
    const called = bus.call(path, fields as never) as Promise<Message>;
    const told = called.then((message) => message.toObject());
    told.catch(() => undefined);
    for (let turn = 0; turn < 5; turn++) await clock.advance(milliseconds(1));
    return await told;
  }

  const load = (fields: Record<string, unknown> = {}): Promise<Record<string, unknown>> =>
    call("/packetd/script/load", { ...nat, ...fields });
  const list = (fields = {}): Promise<Record<string, unknown>> => call("/packetd/script/list", fields);

  beforeEach(async () => {
    clock = new SimClock();
    disk = new SimDisk({ clock });
    events = [];
    logged = [];
    maps = new MapDirectory({ random: new SeededRandom(7), owner: 1, time: { now: clock.now() } });
    await start();
  });

  test("load runs a script with defaults, and tells", async () => {
    assert.deepEqual(await load(), {
      name: "nat",
      version: 1,
      engine: "user",
      reason: "",
      writing: true,
      "read-bytes": 65_531,
      persisted: false,
      warning: [],
      replaced: false,
    });
    const [script] = await engine.list();
    assert.deepEqual(script?.spec, {
      name: "nat",
      file: "/scripts/nat.ts",
      function: "snat",
      hook: "postrouting",
      family: "inet",
      isolate: "nat",
      onError: "drop",
      queueCount: 1,
      deadline: 2000,
      timeLimit: 500,
      engine: "auto",
      pin: false,
    });
    assert.deepEqual(events, ["loaded nat 1 user  true 65531 false /scripts/nat.ts snat postrouting"]);
  });

  test("a second load under the same name replaces the script, and says so", async () => {
    await load();
    const again = await load({ function: "dnat", hook: "prerouting" });
    assert.deepEqual([again.replaced, again.version], [true, 2]);
    assert.deepEqual((await list()).function, ["dnat"]);
  });

  test("prefixes are written, read and deleted as people write them", async () => {
    maps.open("nets", { kind: "prefix" });
    await call("/packetd/map/write", { name: "nets", key: "10.0.0.0/8", value: 1 });
    await call("/packetd/map/write", { name: "nets", key: "10.1.0.0/16", value: 2 });
    const read = (key?: string): Promise<Record<string, unknown>> =>
      call("/packetd/map/read", { name: "nets", key });
    assert.deepEqual((await read("10.1.2.3")).value, [2]);
    assert.deepEqual((await read("10.0.0.0/8")).value, [1]);
    assert.deepEqual((await read("10.0.0.0/9")).value, []);
    assert.deepEqual(((await read()).key as string[]).sort(), ["10.0.0.0/8", "10.1.0.0/16"]);
    await assert.rejects(read("ten"), /its keys are prefixes such as 10\.0\.0\.0\/8/);
    assert.deepEqual(await call("/packetd/map/delete", { name: "nets", key: "10.1.0.0/16" }), {
      deleted: true,
    });
    assert.deepEqual((await read("10.1.2.3")).value, [1]);
  });

  const refused: [string, Record<string, unknown>, RegExp][] = [
    [
      "an unknown hook",
      { hook: "forwad" },
      /hook 'forwad' is not one of prerouting, input, forward, output, postrouting/,
    ],
    ["an unknown engine", { engine: "gpu" }, /engine 'gpu' is not one of auto, kernel, user/],
    ["ingress of nothing", { hook: "ingress" }, /ingress is the hook of one interface; name it with 'in'/],
    ["egress of what came in", { hook: "egress", in: "lan0" }, /egress is .* name it with 'out'/],
    [
      "xdp of many",
      { hook: "xdp", in: "veth*" },
      /xdp is the hook of one interface, and 'veth\*' names several/,
    ],
    [
      "xdp in user space",
      { hook: "xdp", in: "lan0", engine: "user" },
      /xdp is in the kernel only; take engine kernel, or another hook/,
    ],
    ["an unknown family", { family: "arp" }, /family 'arp' is not one of inet, ip, ip6, bridge/],
    ["a name that is none", { name: "1st" }, /name '1st' is not a letter and up to 63 of/],
    ["a relative path", { file: "nat.ts" }, /file 'nat.ts' is not an absolute path/],
    ["too many queues", { queues: 65 }, /queues '65' is not a whole number from 1 to 64/],
    ["no time at all", { deadline: 0 }, /deadline '0' is not a length of time/],
    [
      "a file nobody may read",
      { file: "/root/nat.ts" },
      /Cannot load \/root\/nat.ts: nobody may not look into \/root/,
    ],
    [
      "another network namespace",
      { namespace: "net:[7]" },
      /serves network namespace net:\[4026531840\], and this is net:\[7\]/,
    ],
  ];
  for (const [what, fields, message] of refused) {
    test(`load refuses ${what}`, async () => {
      await assert.rejects(load(fields), message);
      assert.deepEqual(engine.loads, []);
    });
  }

  test("load passes on what is wrong with a script, and the old version stays", async () => {
    await load();
    const seen = "Cannot load /scripts/nat.ts: nat.ts:3:7: unexpected token";
    engine.refusals.set("nat", new ScriptLoadError(seen));
    await assert.rejects(load(), { code: "script-load", message: seen });
    assert.deepEqual((await list()).version, [1]);
    assert.equal(events.at(-1), `failed nat running script-load ${seen}`);
  });

  test("load warns of interfaces that are not there, and knows patterns", async () => {
    const { warning } = await load({ in: "veth*", out: "wan0" });
    assert.deepEqual(warning, [
      "there is no interface wan0 now; the script waits for it. There are lo, lan0, veth1",
    ]);
  });

  test("a listener in front of load may refuse a script, and one that fails refuses it as well", async () => {
    await bus.prepend("/packetd/script/load", "review", () => {
      throw new Error("broken");
    });
    await assert.rejects(load(), RejectedError);
    assert.deepEqual(engine.loads, []);
  });

  test("a script that was loaded to stay is there again after kill -9, others are not", async () => {
    await load({ name: "one", persist: true, match: "udp dport 53", "on-error": "accept" });
    await load({ name: "two" });
    await load({ name: "three", persist: true });
    await load({ name: "a-first", persist: true });
    await crash();
    assert.deepEqual(engine.loads, ["one", "three", "a-first"]);
    const { match, persisted, place } = await list();
    assert.deepEqual(
      [match, persisted],
      [
        ["", "udp dport 53", ""],
        [true, true, true],
      ],
    );
    assert.deepEqual(place, [3, 0, 2]);
    assert.equal((await engine.list())[0]?.spec.onError, "accept");
  });

  test("a script that cannot be loaded after a restart is reported, listed, and stops nobody", async () => {
    await load({ name: "one", persist: true });
    await load({ name: "two", persist: true });
    const next = new SimulatedEngine();
    next.refusals.set("one", new ScriptLoadError("Cannot load /scripts/nat.ts: there is no such file"));
    await crash([], next);
    const { name, state, error } = await list();
    assert.deepEqual(
      [name, state],
      [
        ["one", "two"],
        ["unloadable", "running"],
      ],
    );
    assert.deepEqual(error, [
      "Cannot load /scripts/nat.ts: there is no such file\nIts packets are dropped until it is loaded",
      "",
    ]);
    assert.deepEqual(next.reserved, ["one", "two"]);
    assert.equal(logged.filter(({ level }) => level === "error").length, 1);
    next.refusals.clear();
    await call("/packetd/script/reload", { name: "one" });
    assert.deepEqual((await list()).state, ["running", "running"]);
  });

  test("rules that somebody else removed are brought back, and told", async () => {
    await load();
    engine.removed.push("nat");
    await clock.advance(seconds(1));
    assert.equal(logged.filter(({ level }) => level === "warn").length, 1);
  });

  test("start does not wait for ever for scripts, and who lists them does", async () => {
    await load({ persist: true });
    const { promise, resolve } = Promise.withResolvers<void>();
    const next = new SimulatedEngine();
    next.gate = promise;
    const started = crash([], next);
    for (let second = 0; second < 9; second++) await clock.advance(seconds(1));
    await started;
    const listed = bus.call("/packetd/script/list", {}, { timeout: seconds(30) });
    resolve();
    assert.deepEqual((await listed).get("state"), ["running"]);
  });

  test("unload ends a script for good", async () => {
    await load({ persist: true });
    assert.deepEqual(await call("/packetd/script/unload", { name: "nat" }), {
      unloaded: ["nat"],
      returning: [],
    });
    await assert.rejects(call("/packetd/script/unload", { name: "nat" }), { code: "no-such-script" });
    await crash();
    assert.deepEqual((await list()).name, []);
  });

  test("unload takes one name or all of them, and never both or neither", async () => {
    await load({ name: "one" });
    await load({ name: "two" });
    for (const fields of [{}, { name: "one", all: true }]) {
      await assert.rejects(call("/packetd/script/unload", fields), /name one script, or ask for all/);
    }
    assert.deepEqual((await call("/packetd/script/unload", { all: true })).unloaded, ["one", "two"]);
  });

  test("scripts of the configuration run as configured at every start", async () => {
    await load({ persist: true });
    const configured = { ...nat, function: "dnat" };
    await crash([configured]);
    assert.deepEqual([(await list()).function, (await list()).configured], [["dnat"], [true]]);
    const { returning } = await call("/packetd/script/unload", { name: "nat" });
    assert.deepEqual(returning, ["nat"]);
  });

  test("a load that is not to stay takes back an earlier one that was", async () => {
    await load({ persist: true });
    await load({ persist: false });
    await crash();
    assert.deepEqual(engine.loads, []);
  });

  test("a full disk is the loader's error, and the script runs until the next start", async () => {
    disk.fault = "full";
    await assert.rejects(load({ persist: true }), UnavailableError);
    assert.deepEqual((await list()).name, ["nat"]);
  });

  test("reload loads a script as it was loaded", async () => {
    await load({ persist: true, "on-error": "accept" });
    const { version, persisted } = await call("/packetd/script/reload", { name: "nat" });
    assert.deepEqual([version, persisted], [2, true]);
    assert.equal((await engine.list())[0]?.spec.onError, "accept");
    await assert.rejects(
      call("/packetd/script/reload", { name: "nta" }),
      /Cannot find script 'nta': there are nat/,
    );
  });

  test("list shows statistics, counters and faults, in pages by name", async () => {
    await load({ name: "one" });
    await load({ name: "two" });
    engine.show("two", {
      packets: 7,
      verdicts: { accept: 1, drop: 2, continue: 3, repeat: 0, queue: 0, mark: 1, later: 0 },
      errors: 1,
      timeP99: 1234.4,
      counters: { hits: 3 },
      faults: [{ kind: "threw", place: "nat.ts:12:7", message: "x is not a function", count: 1 }],
    });
    const first = await list({ limit: 1 });
    assert.deepEqual([first.name, first.more, first["fault-script"]], [["one"], true, []]);
    const second = await list({ limit: 1, after: "one" });
    assert.deepEqual(
      [
        "name",
        "packets",
        "dropped",
        "continued",
        "marked",
        "time-p99",
        "counter-name",
        "counter-value",
        "fault-place",
      ].map((tag) => second[tag]),
      [["two"], [7], [2], [3], [1], [1234], ["hits"], [3], ["nat.ts:12:7"]],
    );
    assert.deepEqual([second.more, second.namespace], [false, NAMESPACE]);
    assert.deepEqual((await list({ name: "two" })).name, ["two"]);
  });

  test("a script that got stuck is told once, and again when it gets stuck again", async () => {
    await load();
    const fault = { kind: "stuck", place: "nat.ts:9:3", message: "500 ms in one packet", count: 1 } as const;
    engine.show("nat", { state: "restarting", faults: [fault] });
    for (let second = 0; second < 3; second++) await clock.advance(seconds(1));
    engine.show("nat", { state: "running" });
    await clock.advance(seconds(1));
    const said = "failed nat restarting stuck nat.ts:9:3: 500 ms in one packet";
    assert.deepEqual(events.slice(1), [said]);
    engine.show("nat", { faults: [{ ...fault, count: 2 }] });
    await clock.advance(seconds(1));
    assert.deepEqual(events.slice(1), [said, said.replace("restarting", "running")]);
  });

  test("what a script says is a line of the log and an event", async () => {
    service.scriptSaid("nat", "a new client");
    await clock.advance(milliseconds(1));
    assert.deepEqual(events, ["log nat a new client"]);
  });

  test("a packet's verdict is continue unless a listener answers another, and an error when it fails", async () => {
    const packet = { script: "nat", bytes: new Uint8Array(20), out: "lan0", mark: 1 };
    assert.deepEqual(await call("/packetd/packet", packet), { verdict: "continue" });
    await bus.append("/packetd/packet", "filter", (message) =>
      message.get("mark") === 1 ? answer({ verdict: "drop" }) : undefined,
    );
    assert.deepEqual(await call("/packetd/packet", packet), { verdict: "drop" });
    assert.deepEqual(await call("/packetd/packet", { ...packet, mark: 2 }), { verdict: "continue" });
    await bus.prepend("/packetd/packet", "broken", () => {
      throw new Error("broken");
    });
    await assert.rejects(call("/packetd/packet", packet), RejectedError);
  });

  test("shared maps are read, written and cleared from the bus", async () => {
    maps.open("clients");
    maps.open("names", { key: "text" });
    maps.open("macs", { key: "bytes", keyBytes: 6 });
    assert.deepEqual((await call("/packetd/map/list", {})).name, ["clients", "macs", "names"]);
    for (const [name, key] of [
      ["clients", "3232235777"],
      ["names", "www.example.org"],
      ["macs", "020000000001"],
    ]) {
      await call("/packetd/map/write", { name, key, value: 7 });
      assert.deepEqual(await call("/packetd/map/read", { name }), { key: [key], value: [7], more: false });
      assert.deepEqual(await call("/packetd/map/read", { name, key }), {
        key: [key],
        value: [7],
        more: false,
      });
      assert.deepEqual(await call("/packetd/map/read", { name, keys: [key] }), {
        key: [key],
        value: [7],
        more: false,
      });
      assert.deepEqual((await call("/packetd/map/read", { name, keys: [] })).key, []);
      assert.deepEqual(await call("/packetd/map/delete", { name, key }), { deleted: true });
      assert.deepEqual((await call("/packetd/map/read", { name, key })).value, []);
    }
    await assert.rejects(
      call("/packetd/map/read", { name: "clients", key: "x" }),
      /its keys are a whole number/,
    );
    await assert.rejects(call("/packetd/map/read", { name: "nets" }), { code: "no-such-map" });
    const keys = Array.from({ length: 1001 }, (_, index) => String(index));
    await assert.rejects(call("/packetd/map/read", { name: "clients", keys }), /1000 at most/);
  });

  test("stop unloads everything", async () => {
    await load();
    await service.stop();
    await service.stop();
    assert.ok(engine.isClosed);
  });
});
