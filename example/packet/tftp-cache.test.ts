import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { minutes, seconds } from "#base/time.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import type { Packet } from "#packet/packet.ts";
import { udp } from "#packet/udp.ts";
import { type Answer, packetOf, ScriptWorld } from "./test-world.ts";

const THERE = {
  4: ipv4.header({ source: "192.0.2.1", destination: "198.51.100.1" }),
  6: ipv6.header({ source: "2001:db8::1", destination: "2001:db8:1::1" }),
} as const;
const BACK = {
  4: ipv4.header({ source: "198.51.100.1", destination: "192.0.2.1" }),
  6: ipv6.header({ source: "2001:db8:1::1", destination: "2001:db8::1" }),
} as const;
const SERVER_PORT = 50_000;

interface Client {
  readonly world: ScriptWorld;
  readonly port: number;
  readonly version?: 4 | 6;
}

function texts(opcode: number, ...words: readonly string[]): Uint8Array {
  return Uint8Array.from([0, opcode, ...words.flatMap((word) => [...Buffer.from(word), 0])]);
}

function data(block: number, bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([0, 3, block >> 8, block & 255, ...bytes]);
}

function requests({ world, port, version = 4 }: Client, message: Uint8Array, to = 69): Promise<Answer> {
  return world.give(
    "requests",
    packetOf(THERE[version], udp.header({ sourcePort: port, destinationPort: to }), message),
  );
}

function answers({ world, port, version = 4 }: Client, message: Uint8Array): Promise<Answer> {
  const ports = udp.header({ sourcePort: SERVER_PORT, destinationPort: port });
  return world.give("answers", packetOf(BACK[version], ports, message));
}

function ask(client: Client, options: readonly string[] = [], file = "file"): Promise<Answer> {
  return requests(client, texts(1, file, "octet", ...options));
}

function acknowledge(client: Client, block: number, to: number): Promise<Answer> {
  return requests(client, Uint8Array.of(0, 4, block >> 8, block & 255), to);
}

/** The server's side of a transfer, as it passes. */
async function learn(
  client: Client,
  body: Uint8Array,
  more: { options?: string[]; size?: number; after?: 0 | 1 } = {},
) {
  const { options = [], size = 512, after = 0 } = more;
  assert.equal((await ask(client, options)).verdict, "continue");
  if (options.length > 0) await answers(client, texts(6, ...options));
  for (let block = 1, at = 0; at <= body.length; block++, at += size) {
    const number = block <= 65_535 ? block : after + ((block - 65_536) % (65_536 - after));
    assert.equal((await answers(client, data(number, body.subarray(at, at + size)))).verdict, "continue");
  }
}

interface Received {
  readonly opcode: number;
  readonly block: number;
  readonly body: Uint8Array;
  readonly port: number;
}

function read(packet: Packet): Received {
  const datagram = packet.find(udp);
  const payload = datagram?.payload();
  return {
    opcode: payload?.uint16(0) ?? 0,
    block: payload?.uint16(2) ?? 0,
    body: payload?.copy(4) ?? new Uint8Array(),
    port: datagram?.sourcePort ?? 0,
  };
}

/** Fetches a file that is known, acknowledging window by window. */
async function fetch(client: Client, options: readonly string[] = [], windowSize = 1): Promise<Buffer> {
  let { verdict, sent } = await ask(client, options);
  assert.equal(verdict, "drop");
  const blocks: Uint8Array[] = [];
  let size = 512;
  for (;;) {
    const all = sent.map(read);
    const last = all.at(-1);
    assert.ok(last, "nothing was sent");
    assert.notEqual(last.port, 69);
    if (last.opcode === 6) {
      size = Number(/blksize\0(\d+)/.exec(sent[0]?.find(udp)?.payload().text() ?? "")?.[1] ?? 512);
      ({ sent } = await acknowledge(client, 0, last.port));
      continue;
    }
    assert.ok(all.length <= windowSize);
    for (const { body } of all) blocks.push(body);
    const end = await acknowledge(client, last.block, last.port);
    if (last.body.length < size) {
      assert.equal(end.sent.length, 0);
      await client.world.wait(seconds(60));
      assert.equal(client.world.clock.timerCount, 0, "timers are left over");
      return Buffer.concat(blocks);
    }
    assert.equal(end.verdict, "drop");
    ({ sent } = end);
  }
}

function someBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255);
}

async function world(): Promise<ScriptWorld> {
  return ScriptWorld.load("tftp-cache.ts", "requests", "answers");
}

describe("tftp-cache", () => {
  for (const version of [4, 6] as const) {
    for (const size of [0, 1, 511, 512, 513, 5000]) {
      test(`requests() serves a file of ${size} bytes over IPv${version} that has passed once`, async () => {
        const one = await world();
        const body = someBytes(size);
        await learn({ world: one, port: 4000, version }, body);
        assert.ok((await fetch({ world: one, port: 4001, version })).equals(body));
        assert.equal(one.counter("requests", "hits"), 1);
      });
    }
  }

  test("requests() serves with the options that were agreed on, and to those who ask the same only", async () => {
    const one = await world();
    const body = someBytes(100_000);
    const options = ["blksize", "1400", "tsize", "100000", "windowsize", "8"];
    await learn({ world: one, port: 4000 }, body, { options, size: 1400 });
    assert.ok((await fetch({ world: one, port: 4001 }, options, 8)).equals(body));
    assert.equal((await ask({ world: one, port: 4002 })).verdict, "continue");
    assert.equal((await ask({ world: one, port: 4003 }, options, "other")).verdict, "continue");
  });

  for (const after of [0, 1] as const) {
    test(`requests() goes on after block 65,535 with ${after}, as the server did`, async () => {
      const one = await world();
      const body = someBytes(65_540 * 8 + 3);
      const options = ["blksize", "8"];
      await learn({ world: one, port: 4000 }, body, { options, size: 8, after });
      assert.ok((await fetch({ world: one, port: 4001 }, options)).equals(body));
    });
  }

  test("requests() sends a window again from the block that was lost", async () => {
    const one = await world();
    const options = ["windowsize", "4"];
    await learn({ world: one, port: 4000 }, someBytes(512 * 10), { options });
    const client = { world: one, port: 4001 };
    const { port = 0 } = (await ask(client, options)).sent.map(read)[0] ?? {};
    const first = (await acknowledge(client, 0, port)).sent.map((packet) => read(packet).block);
    const second = (await acknowledge(client, 2, port)).sent.map((packet) => read(packet).block);
    assert.deepEqual(
      [first, second],
      [
        [1, 2, 3, 4],
        [3, 4, 5, 6],
      ],
    );
  });

  test("requests() sends again after a second, not for an old acknowledgment, and gives up after some times", async () => {
    const one = await world();
    await learn({ world: one, port: 4000 }, someBytes(2000));
    const client = { world: one, port: 4001 };
    const { port = 0 } = (await ask(client)).sent.map(read)[0] ?? {};
    assert.equal((await acknowledge(client, 1, port)).sent.length, 1);
    const again = await acknowledge(client, 1, port);
    assert.deepEqual([again.verdict, again.sent.length], ["drop", 0]);
    one.take();
    await one.wait(seconds(1));
    assert.deepEqual(
      one.take().map((packet) => read(packet).block),
      [2],
    );
    await one.wait(seconds(60));
    assert.equal(one.take().length, 4);
    assert.equal(one.clock.timerCount, 0);
  });

  test("requests() sends the first answer again to a request that comes again, from the same port", async () => {
    const one = await world();
    await learn({ world: one, port: 4000 }, someBytes(2000));
    const client = { world: one, port: 4001 };
    const first = (await ask(client)).sent.map(read);
    const again = (await ask(client)).sent.map(read);
    assert.deepEqual(again, first);
  });

  test("requests() ends when the client says that there is an error", async () => {
    const one = await world();
    await learn({ world: one, port: 4000 }, someBytes(2000));
    const client = { world: one, port: 4001 };
    const { port = 0 } = (await ask(client)).sent.map(read)[0] ?? {};
    await requests(client, texts(5, "\0disk full"), port);
    assert.equal(one.clock.timerCount, 0);
  });

  for (const [what, forget] of [
    ["ten minutes", (one: ScriptWorld) => one.wait(minutes(10))],
    [
      "somebody has written it",
      (one: ScriptWorld) => requests({ world: one, port: 4009 }, texts(2, "file", "octet")),
    ],
  ] as const) {
    test(`requests() forgets a file after ${what}`, async () => {
      const one = await world();
      await learn({ world: one, port: 4000 }, someBytes(2000));
      await forget(one);
      assert.equal((await ask({ world: one, port: 4001 })).verdict, "continue");
    });
  }

  test("answers() does not keep what did not come to its end, or ended with an error", async () => {
    const one = await world();
    const client = { world: one, port: 4000 };
    await ask(client);
    await answers(client, data(1, someBytes(512)));
    await answers(client, texts(5, "\x01gone"));
    await answers(client, data(2, someBytes(5)));
    assert.equal((await ask({ world: one, port: 4001 })).verdict, "continue");
  });

  test("answers() takes blocks in their order, whatever comes twice or too early", async () => {
    const one = await world();
    const client = { world: one, port: 4000 };
    const body = someBytes(1100);
    await ask(client, []);
    for (const block of [1, 1, 3, 2, 2, 3]) {
      await answers(client, data(block, body.subarray((block - 1) * 512, block * 512)));
    }
    assert.ok((await fetch({ world: one, port: 4001 })).equals(body));
  });
});
