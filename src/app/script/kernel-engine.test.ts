import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { instant, milliseconds, seconds } from "#base/time.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { shapeOf } from "#script/shared-map-layout.ts";
import { type ScriptOptions, scriptSpec } from "#service/packetd/config.ts";
import { type SimKernelProgram, SimKernelPrograms } from "#sim/ebpf/programs.ts";
import { SimulatedEngine } from "../../../test/support/simulated-engine.ts";
import { SimulatedCompiler } from "../../../test/support/simulated-kernel.ts";
import { ChoosingScriptEngine, NotInKernelError } from "./choosing-engine.ts";
import { KernelScriptEngine } from "./kernel-engine.ts";
import { KernelMapStore } from "./kernel-maps.ts";

const MARKS = [0x1000_0000, 0x0800_0000];
/** An IPv4 packet of 28 bytes, as far as anybody looks. */
const IP = Uint8Array.of(0x45, 0, 0, 28, ...new Array(24).fill(0));

function spec(more: Partial<ScriptOptions> = {}): ScriptSpec {
  return scriptSpec({ name: "one", file: "/s/one.ts", function: "one", hook: "forward", ...more });
}

describe("scripts in the kernel", () => {
  let kernel: SimKernelPrograms;
  let compiler: SimulatedCompiler;
  let user: SimulatedEngine;
  let maps: KernelMapStore;
  let directory: MapDirectory;
  let engine: KernelScriptEngine;
  let both: ChoosingScriptEngine;
  let indices: Map<string, number>;
  let noEthernet: Set<string>;
  let posted: [string, unknown][];
  let troubles: string[];
  const time = { now: instant(1000) };

  beforeEach(() => {
    indices = new Map([
      ["eth0", 2],
      ["eth1", 3],
    ]);
    noEthernet = new Set();
    posted = [];
    troubles = [];
    time.now = instant(1000);
    kernel = new SimKernelPrograms({ interfaceIndex: (name) => indices.get(name) ?? 0 });
    compiler = new SimulatedCompiler();
    user = new SimulatedEngine();
    maps = new KernelMapStore({ programs: kernel, pins: undefined, time });
    directory = new MapDirectory({ random: new SeededRandom(1), owner: 1, time, kernel: maps });
    engine = new KernelScriptEngine({
      programs: kernel,
      compiler,
      user,
      maps,
      interfaces: {
        index: (name) => indices.get(name) ?? 0,
        isEthernet: (name) => (indices.has(name) ? !noEthernet.has(name) : undefined),
      },
      handOverMarks: MARKS,
      isInMemory: (name) => directory.has(name),
      bus: (script) => ({ post: (address, fields) => posted.push([`${script} ${address}`, fields]) }),
      trouble: (script, text) => troubles.push(`${script}: ${text}`),
    });
    both = new ChoosingScriptEngine({ user, kernel: engine });
  });

  const places = (): string[] => [...kernel.links.keys()].sort();
  const programs = (): SimKernelProgram[] => [...kernel.links.values()].map(({ program }) => program);

  test("a function that only judges stands at netfilter's hook, for each family", async () => {
    const script = await both.load(spec());
    assert.deepEqual(
      [script.engine, script.state, script.version, script.isWriting, script.reason],
      ["kernel", "running", 1, false, undefined],
    );
    assert.deepEqual(script.attached, ["netfilter ipv4 forward -150", "netfilter ipv6 forward -150"]);
    assert.equal(places().length, 2);
    const second = await both.load(spec({ name: "two", family: "ip" }));
    assert.deepEqual(second.attached, ["netfilter ipv4 forward -149"]);
    assert.deepEqual([await both.unload("one"), await both.unload("one"), places().length], [true, false, 1]);
  });

  test("what it has counted is told, and stays when a new version takes its places", async () => {
    await both.load(spec());
    const [ipv4] = programs();
    ipv4?.test(IP);
    ipv4?.test(IP);
    const before = [...kernel.links.values()];
    compiler.functions.set("one", { counters: ["errors", "bytes", "accept", "counter telnet"] });
    const script = await both.load(spec());
    assert.deepEqual([...kernel.links.values()], before);
    for (const program of programs()) program.test(IP);
    assert.equal(script.version, 2);
    const [{ statistics } = assert.fail()] = await both.list();
    assert.deepEqual(
      [statistics.packets, statistics.verdicts.accept, statistics.counters],
      [4, 4, { telnet: 0 }],
    );
  });

  test("faults are told with their places", async () => {
    const counters = ["bytes", "drop", "fault one.ts:3:5: a map has no room: try later"];
    compiler.functions.set("one", { counters });
    await both.load(spec({ family: "ip" }));
    programs()[0]?.test(IP);
    const [{ statistics } = assert.fail()] = await both.list();
    assert.deepEqual(statistics.faults, [
      { kind: "threw", place: "one.ts:3:5", message: "a map has no room: try later", count: 1 },
    ]);
  });

  const ways: [string, Partial<ScriptOptions>, string[]][] = [
    ["prerouting of an interface at its ingress", { hook: "prerouting", in: "eth0" }, ["tcx-ingress eth0"]],
    ["postrouting to an interface at its egress", { hook: "postrouting", out: "eth1" }, ["tcx-egress eth1"]],
    ["ingress", { hook: "ingress", in: "eth0" }, ["tcx-ingress eth0"]],
    ["egress", { hook: "egress", out: "eth0" }, ["tcx-egress eth0"]],
    ["xdp", { hook: "xdp", in: "eth1" }, ["xdp eth1"]],
  ];
  for (const [what, options, attached] of ways) {
    test(`a function that writes stands for ${what}`, async () => {
      compiler.functions.set("one", { writes: true, refusals: { netfilter: "it writes" } });
      const script = await both.load(spec(options));
      assert.deepEqual([script.engine, script.attached, script.isWriting], ["kernel", attached, true]);
      const first = options.hook === "prerouting" || options.hook === "postrouting" ? "network" : "ethernet";
      assert.equal(compiler.asked[0]?.at(-1)?.first, first);
    });
  }

  const refused: [string, Partial<ScriptOptions>, RegExp][] = [
    ["a match", { match: "udp dport 53" }, /`match` is for netfilter's queues; write the condition/],
    ["another's isolate", { isolate: "shared" }, /share no variables with an isolate; share a map/],
    ["queues", { queues: 2 }, /no queues; leave out `queues`/],
    ["a deadline", { deadline: seconds(1) }, /nothing comes later in the kernel/],
    ["a time limit", { timeLimit: milliseconds(100) }, /time limit of its own/],
    ["a seed", { seed: 1 }, /takes no `seed`/],
    ["a bridge", { family: "bridge" }, /frames between the ports of a bridge/],
    ["many interfaces", { in: "veth*" }, /compares one interface; name it whole/],
  ];
  for (const [what, options, reason] of refused) {
    test(`with ${what} a script is in user space, and with engine kernel nowhere`, async () => {
      const script = await both.load(spec(options));
      assert.equal(script.engine, "user");
      assert.match(script.reason ?? "", reason);
      const [listed] = await both.list();
      assert.match(listed?.reason ?? "", reason);
      await assert.rejects(both.load(spec({ ...options, engine: "kernel" })), (error: Error) => {
        assert.ok(error instanceof NotInKernelError);
        assert.match(error.message, reason);
        return true;
      });
      assert.deepEqual(places(), []);
    });
  }

  test("what the compiler refuses is the reason, with the interface that would help", async () => {
    compiler.functions.set("one", { refusals: { netfilter: "it writes", "tcx-ingress": "it divides" } });
    const script = await both.load(spec({ hook: "prerouting" }));
    assert.equal(
      script.reason,
      "/s/one.ts:3:5: x: it writes; write y\nwith `--in IF` (one Ethernet interface) it can run at its ingress",
    );
    const other = await both.load(spec({ hook: "prerouting", in: "eth0" }));
    assert.equal(other.reason, "/s/one.ts:3:5: x: it divides; write y");
    assert.deepEqual(user.loads, ["one", "one"]);
  });

  test("what writes and is for forward stays in user space also with an interface", async () => {
    compiler.functions.set("one", { refusals: { netfilter: "it writes" } });
    const script = await both.load(spec({ in: "eth0" }));
    assert.equal(script.engine, "user");
    assert.match(script.reason ?? "", /packets of forward can only be changed in user space/);
  });

  test("a tunnel without Ethernet is no place for a program", async () => {
    noEthernet.add("eth0");
    await assert.rejects(both.load(spec({ hook: "ingress", in: "eth0" })), /eth0 is no Ethernet interface/);
  });

  test("engine user asks nobody for the kernel, and takes a script out of it", async () => {
    await both.load(spec());
    const script = await both.load(spec({ engine: "user" }));
    assert.deepEqual([script.engine, script.reason, places()], ["user", undefined, []]);
    assert.deepEqual(
      (await both.list()).map((one) => one.engine),
      ["user"],
    );
    await both.load(spec());
    assert.deepEqual(
      (await both.list()).map((one) => one.engine),
      ["kernel"],
    );
    assert.deepEqual(await user.list(), []);
  });

  test("without a kernel engine the reason is told", async () => {
    const alone = new ChoosingScriptEngine({ user, kernel: { unavailable: "CAP_BPF is missing; keep it" } });
    assert.equal((await alone.load(spec())).reason, "CAP_BPF is missing; keep it");
    await assert.rejects(alone.load(spec({ engine: "kernel" })), /CAP_BPF is missing/);
    assert.deepEqual([await alone.unload("one"), await alone.unload("one")], [true, false]);
  });

  test("an interface that is not there is waited for; when it goes and comes back the script is there again", async () => {
    const script = await both.load(spec({ hook: "ingress", in: "eth9" }));
    assert.deepEqual([script.state, script.attached, places()], ["waiting", [], []]);
    indices.set("eth9", 9);
    await both.repair();
    assert.deepEqual((await both.list())[0]?.attached, ["tcx-ingress eth9"]);
    programs()[0]?.test(new Uint8Array(64));
    indices.delete("eth9");
    await both.repair();
    assert.deepEqual([(await both.list())[0]?.state, places()], ["waiting", []]);
    indices.set("eth9", 11);
    await both.repair();
    await both.repair();
    const [again] = await both.list();
    assert.deepEqual([again?.state, again?.statistics.packets], ["running", 1]);
    assert.match(places()[0] ?? "", /11/);
    assert.deepEqual(troubles, ["one: attached again to eth9", "one: attached again to eth9"]);
  });

  test("maps are shared with user space, seen from the bus, and swept", async () => {
    const shape = shapeOf("flows", { countMax: 10, timeToLive: seconds(1) });
    const flows = { name: "flows", kind: "hash", keyBytes: 8, valueBytes: 16, countMax: 10 } as const;
    compiler.functions.set("one", { maps: [{ name: "flows", shape }], mapSpecs: [flows] });
    compiler.functions.set("two", { maps: [{ name: "flows", shape }], mapSpecs: [flows] });
    await both.load(spec());
    await both.load(spec({ name: "two", function: "two" }));
    const map = directory.open("flows", { countMax: 10, timeToLive: seconds(1) });
    assert.equal(map.set(7, 5), true);
    assert.deepEqual([map.get(7), map.add(7, 2), map.get(7), map.size], [5, 7, 7, 1]);
    assert.ok("kernel" in directory.answer({ name: "flows" }));
    assert.throws(() => directory.open("flows", { kind: "lru" }), /was made with/);
    time.now = instant(2500);
    assert.equal(map.get(7), undefined);
    await both.repair();
    assert.deepEqual(
      directory.list().map(({ name, engine: one, size, expired }) => [name, one, size, expired]),
      [["flows", "kernel", 0, 1]],
    );
    await both.unload("one");
    assert.equal(directory.list().length, 1);
    await both.unload("two");
    assert.equal(directory.list().length, 0);
  });

  test("a map that scripts in user space hold keeps a script out of the kernel", async () => {
    const shape = shapeOf("flows", {});
    const flows = { name: "flows", kind: "hash", keyBytes: 8, valueBytes: 8, countMax: 65_536 } as const;
    compiler.functions.set("one", { maps: [{ name: "flows", shape }], mapSpecs: [flows] });
    directory.open("flows");
    assert.match((await both.load(spec())).reason ?? "", /map 'flows' is held by scripts in user space/);
  });

  test("what a version has made is gone when it cannot be loaded, and the old one stays", async () => {
    await both.load(spec({ hook: "xdp", in: "eth0" }));
    const shape = shapeOf("flows", {});
    const flows = { name: "flows", kind: "hash", keyBytes: 8, valueBytes: 8, countMax: 65_536 } as const;
    compiler.functions.set("two", { maps: [{ name: "flows", shape }], mapSpecs: [flows] });
    const second = spec({ name: "two", function: "two", hook: "xdp", in: "eth0" });
    await assert.rejects(both.load(second));
    assert.deepEqual([places().length, directory.list(), (await both.list()).length], [1, [], 1]);
  });

  test("what is handed over gets to the other function by a bit of the mark, in one entry", async () => {
    compiler.functions.set("one", { handsOverTo: "inspect", refusals: { netfilter: "it marks" } });
    const script = await both.load(spec({ in: "eth0" }));
    assert.deepEqual([script.engine, script.handsOverTo], ["kernel", "inspect"]);
    const [inner] = await user.list();
    assert.deepEqual(
      [inner?.spec.function, inner?.spec.hook, inner?.spec.inInterface, inner?.spec.handOverMark],
      ["inspect", "forward", "eth0", MARKS[0]],
    );
    user.show("one", { packets: 2, errors: 1 });
    programs()[0]?.test(new Uint8Array(64));
    const list = await both.list();
    assert.equal(list.length, 1);
    assert.deepEqual([list[0]?.statistics.packets, list[0]?.statistics.errors], [1, 1]);
    await both.load(spec({ name: "two", in: "eth1" }));
    assert.equal((await user.list())[1]?.spec.handOverMark, MARKS[1]);
    await both.load(spec({ in: "eth0", engine: "user" }));
    assert.deepEqual(
      (await both.list()).map((one) => `${one.spec.name} ${one.engine}`),
      ["two kernel", "one user"],
    );
    assert.deepEqual([await both.unload("two"), await both.unload("one")], [true, true]);
    assert.deepEqual([await user.list(), places()], [[], []]);
  });

  test("what accepts leaves the kernel when a script comes behind it, and stays there when it must", async () => {
    compiler.functions.set("one", { accepts: true });
    await both.load(spec());
    const second = await both.load(spec({ name: "two", function: "two" }));
    assert.equal(second.engine, "kernel");
    const why = "in the kernel `accept` lets no packet skip two, which is behind it at forward";
    assert.deepEqual(second.warnings, [`one runs in user space from now on: ${why}`]);
    const [, one] = await both.list();
    assert.deepEqual([one?.engine, one?.reason, one?.spec.place], ["user", why, 0]);
    await both.load(spec({ name: "three", engine: "kernel" }));
    const fourth = await both.load(spec({ name: "four", function: "two" }));
    assert.deepEqual(fourth.warnings, [`three: ${why.replace("two", "four")}`]);
  });

  test("an interface's ingress is no prerouting for what comes behind another script", async () => {
    compiler.functions.set("one", { writes: true, refusals: { netfilter: "it writes" } });
    await both.load(spec({ name: "first", engine: "user", hook: "prerouting" }));
    const script = await both.load(spec({ hook: "prerouting", in: "eth0" }));
    assert.equal(script.reason, "at an interface's ingress it would see packets before first does");
    await both.unload("first");
    const alone = await both.load(spec({ hook: "prerouting", in: "eth0" }));
    assert.equal(alone.engine, "kernel");
    const other = await both.load(spec({ name: "other", hook: "prerouting", in: "eth1" }));
    const behind = await both.load(spec({ name: "behind", hook: "prerouting", in: "eth0" }));
    assert.deepEqual([other.engine, behind.engine, behind.warnings], ["kernel", "kernel", []]);
    const out = await both.load(spec({ name: "out", hook: "postrouting", out: "eth0" }));
    const last = await both.load(spec({ name: "last", engine: "user", hook: "postrouting" }));
    assert.equal(out.engine, "kernel");
    assert.match(last.warnings?.[0] ?? "", /out runs in user space from now on: at an interface's egress/);
  });

  test("close() leaves nothing", async () => {
    await both.load(spec());
    await both.load(spec({ name: "two", engine: "user" }));
    await both.close();
    assert.deepEqual([places(), user.isClosed, compiler.isClosed], [[], true, true]);
  });
});
