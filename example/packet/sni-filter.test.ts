import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { tcp } from "#packet/tcp.ts";
import { established, packetOf, ScriptWorld } from "./test-world.ts";

const IP = {
  4: ipv4.header({ source: "192.0.2.1", destination: "198.51.100.1" }),
  6: ipv6.header({ source: "2001:db8::1", destination: "2001:db8:1::1" }),
} as const;
const START = 0xffff_fff0;

function number(value: number): number[] {
  return [value >> 8, value & 255];
}

/** A ClientHello (RFC 8446 §4.1.2) whose name stands behind another extension; without its record. */
function hello(name: string | undefined): number[] {
  const host = Buffer.from(name ?? "");
  const list = [0, ...number(host.length), ...host];
  const serverName = [0, 0, ...number(list.length + 2), ...number(list.length), ...list];
  const extensions = [0, 23, 0, 4, 1, 2, 3, 4, ...(name === undefined ? [] : serverName), 0, 35, 0, 0];
  const random = Array.from({ length: 32 }, (_, index) => index);
  const body = [3, 3, ...random, 0, 0, 2, 0x13, 1, 1, 0, ...number(extensions.length), ...extensions];
  return [1, 0, ...number(body.length), ...body];
}

/** In records of at most `bytes`. */
function records(message: readonly number[], bytes = 16_384): Uint8Array {
  const all: number[] = [];
  for (let at = 0; at < message.length; at += bytes) {
    const part = message.slice(at, at + bytes);
    all.push(22, 3, 1, ...number(part.length), ...part);
  }
  return Uint8Array.from(all);
}

function segment(at: number, payload: Uint8Array, version: 4 | 6 = 4) {
  const header = tcp.header({
    sourcePort: 4000,
    destinationPort: 443,
    ack: true,
    sequence: (START + 1 + at) >>> 0,
    acknowledgment: 5000,
  });
  return packetOf(IP[version], header, payload);
}

function syn(version: 4 | 6 = 4) {
  return packetOf(
    IP[version],
    tcp.header({ sourcePort: 4000, destinationPort: 443, syn: true, sequence: START }),
  );
}

/** What the server gets of a stream that is sent in pieces, until one is dropped. */
async function through(functionName: string, stream: Uint8Array, bytes: number, connection = established()) {
  const world = await ScriptWorld.load("sni-filter.ts", functionName);
  await world.give(functionName, syn());
  let passed = 0;
  for (let at = 0; at < stream.length; at += bytes) {
    const piece = stream.subarray(at, at + bytes);
    const answer = await world.give(functionName, segment(at, piece), { connection });
    if (answer.verdict === "drop") return { passed, sent: answer.sent };
    passed += piece.length;
  }
  return { passed, sent: [] };
}

describe("sni-filter", () => {
  for (const bytes of [1, 7, 50, 1448]) {
    for (const recordBytes of [1, 30, 16_384]) {
      test(`dropListed() stops a listed name, in segments of ${bytes} bytes and records of ${recordBytes}`, async () => {
        for (const name of ["blocked.example", "www.Blocked.Example"]) {
          const stream = records(hello(name), recordBytes);
          const { passed } = await through("dropListed", stream, bytes);
          assert.ok(passed < stream.length, `all ${passed} bytes passed`);
        }
      });

      test(`dropListed() lets others pass, in segments of ${bytes} bytes and records of ${recordBytes}`, async () => {
        for (const name of ["example", "unblocked.example", "blocked.example.org", undefined]) {
          const connection = established();
          const stream = records(hello(name), recordBytes);
          const { passed } = await through("dropListed", stream, bytes, connection);
          assert.equal(passed, stream.length);
          assert.equal(connection.mark, 0x1000, "it is looked at still");
        }
      });
    }
  }

  for (const version of [4, 6] as const) {
    test(`resetListed() resets both sides over IPv${version} with the numbers they wait for`, async () => {
      const world = await ScriptWorld.load("sni-filter.ts", "resetListed");
      const stream = records(hello("blocked.example"));
      await world.give("resetListed", syn(version));
      assert.equal(
        (await world.give("resetListed", segment(0, stream.subarray(0, 10), version))).verdict,
        "continue",
      );
      const { verdict, sent } = await world.give("resetListed", segment(10, stream.subarray(10), version));
      assert.equal(verdict, "drop");
      const [there, back] = sent.map((packet) => packet.find(tcp));
      assert.deepEqual([there?.rst, there?.destinationPort, there?.sequence], [true, 443, START + 11]);
      assert.deepEqual(
        [back?.rst, back?.destinationPort, back?.sequence, back?.acknowledgment],
        [true, 4000, 5000, (START + 1 + stream.length) >>> 0],
      );
    });
  }

  test("dropListed() is not taken in by segments out of order, nor by others for the same place", async () => {
    const world = await ScriptWorld.load("sni-filter.ts", "dropListed");
    const bad = records(hello("blocked.example"));
    const good = records(hello("allowed.example"));
    await world.give("dropListed", syn());
    const give = async (at: number, bytes: Uint8Array): Promise<string> =>
      (await world.give("dropListed", segment(at, bytes))).verdict;
    assert.equal(await give(20, bad.subarray(20)), "drop", "before its turn");
    assert.equal(await give(0, good.subarray(0, 20)), "continue");
    assert.equal(await give(0, good.subarray(0, 20)), "continue", "the same again");
    assert.equal(
      await give(
        0,
        Uint8Array.from(good.subarray(0, 20), (byte) => byte ^ 1),
      ),
      "drop",
      "another",
    );
    assert.equal(await give(20, bad.subarray(20)), "drop");
  });

  test("dropListed() looks at no more than 20,000 bytes", async () => {
    const endless = records([1, 0xff, 0xff, 0xff, ...new Array<number>(60_000).fill(0)]);
    const { passed } = await through("dropListed", endless, 1448);
    assert.ok(passed > 15_000 && passed <= 20_000, `${passed} bytes`);
  });
});
