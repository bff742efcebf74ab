import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { seconds } from "#base/time.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { udp } from "#packet/udp.ts";
import { packetOf } from "../packet/test-world.ts";
import { nameHash } from "./dns-guard.ts";
import { inBothKernels, KernelWorld } from "./test-world.ts";

const TYPE_A = 1;
const TYPE_ANY = 255;

/** A message with one question (RFC 1035 §4.1). */
function question(name: string, type: number = TYPE_A, flags = 0x0100): Uint8Array {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]);
  const header = [0x12, 0x34, flags >> 8, flags & 255, 0, 1, 0, 0, 0, 0, 0, 0];
  return Uint8Array.from([...header, ...labels, 0, type >> 8, type & 255, 0, 1]);
}

inBothKernels("dns-guard", (kernel) => {
  const worlds: KernelWorld[] = [];
  let world: KernelWorld;
  beforeEach(async () => {
    world = await KernelWorld.load(kernel, "dns-guard.ts", { guard: "netfilter" });
    worlds.push(world);
  });
  after(() => {
    for (const one of worlds) one.close();
  });

  async function ask(message: Uint8Array, source = "10.0.0.2", destinationPort = 53): Promise<string> {
    const ip = ipv4.header({ source, destination: "192.0.2.53" });
    return (await world.give("guard", packetOf(ip, udp.header({ destinationPort }), message))).verdict;
  }

  test("guard() lets questions pass", async () => {
    for (const name of ["example.com", "a.b.c.d.e.f", "X", `${"a".repeat(63)}.${"b".repeat(50)}`]) {
      assert.equal(await ask(question(name)), "continue");
    }
    assert.equal(world.counter("guard", "questions"), 4);
  });

  test("guard() drops names that are blocked, in capitals as well, and no others", async () => {
    await ask(question("example.com"));
    world.set("dns-blocked", nameHash("ads.example"), 1);
    for (const name of ["ads.example", "ADS.Example"]) assert.equal(await ask(question(name)), "drop");
    for (const name of ["bads.example", "ads.examples", "adsexample", "a.ads.example"]) {
      assert.equal(await ask(question(name)), "continue");
    }
    assert.equal(world.counter("guard", "blocked names"), 2);
  });

  for (const [counter, message] of [
    ["questions for ANY", question("example.com", TYPE_ANY)],
    ["cut off", question("example.com").subarray(0, 20)],
    ["cut off", question("example.com").subarray(0, 26)],
    ["long names", question(Array.from({ length: 5 }, () => "a".repeat(40)).join("."))],
    ["odd names", Uint8Array.from([...question("x").subarray(0, 12), 0xc0, 0x0c, 0, 1, 0, 1])],
  ] as const) {
    test(`guard() drops ${message.length} bytes of ${counter}`, async () => {
      assert.equal(await ask(message), "drop");
      assert.equal(world.counter("guard", counter), 1);
    });
  }

  test("guard() gives a source 40 questions at once and then 20 a second", async () => {
    const passed = async (count: number): Promise<number> => {
      let passedCount = 0;
      for (let index = 0; index < count; index++)
        if ((await ask(question("example.com"))) === "continue") passedCount++;
      return passedCount;
    };
    assert.equal(await passed(50), 40);
    assert.equal(await ask(question("example.com"), "10.0.0.3"), "continue");
    await world.wait(seconds(1));
    assert.equal(await passed(30), 20);
  });

  test("guard() leaves alone what is no question", async () => {
    const answer = question("example.com", TYPE_ANY, 0x8180);
    const odd: [message: Uint8Array, port: number][] = [
      [answer, 53],
      [question("example.com", TYPE_ANY), 5353],
      [Uint8Array.of(1, 2, 3), 53],
    ];
    for (const [message, port] of odd) assert.equal(await ask(message, "10.0.0.2", port), "continue");
  });
});
