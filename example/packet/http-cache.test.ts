import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { milliseconds, seconds } from "#base/time.ts";
import type { BuiltPacket } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import type { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { type Answer, packetOf, ScriptWorld } from "./test-world.ts";

const CLIENT = { 4: "192.0.2.1", 6: "2001:db8::1" } as const;
const SERVER = { 4: "198.51.100.1", 6: "2001:db8:1::1" } as const;
const GET = "GET /file HTTP/1.1\r\nHost: server\r\n\r\n";
const SYN_OPTIONS = Uint8Array.of(2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7);
const SERVER_START = 0xffff_fff0;
const CLIENT_START = 1000;

interface Wire {
  readonly world: ScriptWorld;
  readonly version: 4 | 6;
  readonly port: number;
}

type Values = Parameters<typeof tcp.header>[0];

function fromClient(
  wire: Wire,
  values: Values,
  more: { payload?: string; options?: Uint8Array } = {},
): BuiltPacket {
  const { version, port } = wire;
  const segment = tcp.header({ sourcePort: port, destinationPort: 80, ...values }, more.options);
  const ip =
    version === 4
      ? ipv4.header({ source: CLIENT[4], destination: SERVER[4] })
      : ipv6.header({ source: CLIENT[6], destination: SERVER[6] });
  return more.payload === undefined ? packetOf(ip, segment) : packetOf(ip, segment, more.payload);
}

function fromServer(
  wire: Wire,
  values: Values,
  more: { payload?: string | Uint8Array; options?: Uint8Array } = {},
): BuiltPacket {
  const { version, port } = wire;
  const segment = tcp.header({ sourcePort: 80, destinationPort: port, ...values }, more.options);
  const ip =
    version === 4
      ? ipv4.header({ source: SERVER[4], destination: CLIENT[4] })
      : ipv6.header({ source: SERVER[6], destination: CLIENT[6] });
  return more.payload === undefined ? packetOf(ip, segment) : packetOf(ip, segment, more.payload);
}

/** The handshake, as it passes. */
async function connect(wire: Wire, options = SYN_OPTIONS): Promise<void> {
  const { world } = wire;
  await world.give("requests", fromClient(wire, { syn: true, sequence: CLIENT_START }, { options }));
  await world.give(
    "responses",
    fromServer(
      wire,
      { syn: true, ack: true, sequence: SERVER_START, acknowledgment: CLIENT_START + 1 },
      { options },
    ),
  );
  await world.give("requests", fromClient(wire, { ack: true, ...numbers(0, 0) }));
}

/** Sequence and acknowledgment of the client when so many bytes have gone both ways. */
function numbers(sent: number, received: number): { sequence: number; acknowledgment: number } {
  return {
    sequence: CLIENT_START + 1 + sent,
    acknowledgment: (SERVER_START + 1 + received) >>> 0,
  };
}

function ask(wire: Wire, request = GET): Promise<Answer> {
  const { world } = wire;
  return world.give("requests", fromClient(wire, { ack: true, ...numbers(0, 0) }, { payload: request }));
}

/** The server's response in segments, in the order that `order` gives. */
async function respond(wire: Wire, response: Uint8Array, order = (index: number, _count: number) => index) {
  const bytes = 1448;
  const count = Math.ceil(response.length / bytes);
  for (let index = 0; index < count; index++) {
    const at = order(index, count) * bytes;
    const payload = response.subarray(at, at + bytes);
    const sequence = (SERVER_START + 1 + at) >>> 0;
    const packet = fromServer(
      wire,
      { ack: true, sequence, acknowledgment: CLIENT_START + 1 + GET.length },
      { payload },
    );
    assert.equal((await wire.world.give("responses", packet)).verdict, "continue");
  }
}

function response(body: Uint8Array, fields = ""): Uint8Array {
  const head = `HTTP/1.1 200 OK\r\nServer: test\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\n${fields}\r\n`;
  return Uint8Array.from(Buffer.concat([Buffer.from(head), body]));
}

function someBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255);
}

async function learn(wire: Wire, body: Uint8Array, fields = ""): Promise<void> {
  await connect(wire);
  assert.equal((await ask(wire)).verdict, "continue");
  await respond(wire, response(body, fields));
}

/** A client that puts the stream together, acknowledges each segment it gets, and closes at the end. */
class Receiver {
  readonly wire: Wire;
  readonly lost: () => boolean;
  readonly windowBytes: number;
  #early = new Map<number, Uint8Array>();
  bytes: number[] = [];
  isFinished = false;

  constructor(wire: Wire, options: { lost?: () => boolean; windowBytes?: number } = {}) {
    this.wire = wire;
    this.lost = options.lost ?? (() => false);
    this.windowBytes = options.windowBytes ?? 65_535 * 128;
  }

  async take(packets: readonly Packet[]): Promise<void> {
    for (const packet of packets) {
      const segment = packet.find(tcp);
      assert.ok(segment);
      if (segment.destinationPort !== this.wire.port || this.lost()) continue;
      const offset = (segment.sequence - SERVER_START - 1) | 0;
      const payload = segment.payload().copy();
      assert.ok(payload.length <= 1460, `a segment of ${payload.length} bytes`);
      assert.ok(offset + payload.length <= this.bytes.length + this.windowBytes, "beyond the window");
      if (payload.length > 0 && offset >= this.bytes.length) this.#early.set(offset, payload);
      for (let next = this.#early.get(this.bytes.length); next; next = this.#early.get(this.bytes.length)) {
        this.#early.delete(this.bytes.length);
        for (const byte of next) this.bytes.push(byte);
      }
      if (segment.fin && offset + payload.length === this.bytes.length) this.isFinished = true;
      if (!this.lost()) await this.#acknowledge();
    }
  }

  async #acknowledge(): Promise<void> {
    const received = this.bytes.length + (this.isFinished ? 1 : 0);
    const window = this.windowBytes >> 7;
    const values = { ack: true, fin: this.isFinished, window, ...numbers(GET.length, received) };
    const { verdict } = await this.wire.world.give("requests", fromClient(this.wire, values));
    // What comes when the connection is over is not the script's any more.
    if (!this.isFinished) assert.equal(verdict, "drop");
  }

  /** Everything to the end; the milliseconds it took. */
  async finish(): Promise<number> {
    const { world } = this.wire;
    const start = world.clock.now();
    while (!this.isFinished && world.clock.now() - start < 600_000) {
      const packets = world.take();
      if (packets.length === 0) await world.wait(milliseconds(50));
      await this.take(packets);
    }
    const time = world.clock.now() - start;
    await world.wait(seconds(600));
    assert.equal(world.clock.timerCount, 0, "timers are left over");
    return time;
  }

  get body(): Uint8Array {
    const text = Buffer.from(this.bytes);
    return Uint8Array.from(text.subarray(text.indexOf("\r\n\r\n") + 4));
  }

  get head(): string {
    const text = Buffer.from(this.bytes).toString("latin1");
    return text.slice(0, text.indexOf("\r\n\r\n"));
  }
}

/** Without a list of all differences. */
function assertSame(one: Uint8Array, other: Uint8Array, message = "other bytes"): void {
  assert.ok(Buffer.compare(one, other) === 0, message);
}

async function world(): Promise<ScriptWorld> {
  return ScriptWorld.load("http-cache.ts", "requests", "responses");
}

describe("http-cache", () => {
  for (const version of [4, 6] as const) {
    for (const size of [0, 1, 1447, 1448, 1449, 100_000]) {
      test(`requests() answers a known request of IPv${version} with ${size} bytes`, async () => {
        const body = someBytes(size);
        const wire: Wire = { world: await world(), version, port: 40_000 };
        await learn(wire, body);
        const next = { ...wire, port: 40_001 };
        await connect(next);
        const { verdict, sent } = await ask(next);
        assert.equal(verdict, "drop");
        const reset = sent[0]?.find(tcp);
        assert.deepEqual(
          [reset?.rst, reset?.sourcePort, reset?.destinationPort, reset?.sequence],
          [true, 40_001, 80, CLIENT_START + 1],
        );
        const client = new Receiver(next);
        await client.finish();
        assertSame(client.body, body);
        assert.match(
          client.head,
          /^HTTP\/1\.1 200 OK\r\nServer: test\r\nContent-Length: \d+\r\nAge: 0\r\nConnection: close$/,
        );
        assert.equal(next.world.counter("requests", "hits"), 1);
      });
    }
  }

  test("responses() puts segments together that come in another order, and twice", async () => {
    const body = someBytes(40_000);
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    await connect(wire);
    await ask(wire);
    const whole = response(body);
    await respond(wire, whole.subarray(0, 1448 * 20), (index, count) => count - 1 - index);
    await respond(wire, whole);
    const next = { ...wire, port: 40_001 };
    await connect(next);
    assert.equal((await ask(next)).verdict, "drop");
    const client = new Receiver(next);
    await client.finish();
    assertSame(client.body, body);
  });

  for (const loss of [0.01, 0.1, 0.2]) {
    test(`TcpAnswerer delivers when ${loss * 100} of 100 segments are lost, both ways`, async () => {
      const seed = Date.now() & 0xffff;
      const random = new SeededRandom(seed);
      const wire: Wire = { world: await world(), version: 4, port: 40_000 };
      const body = someBytes(300_000);
      await learn(wire, body, "Cache-Control: max-age=3600\r\n");
      const next = { ...wire, port: 40_001 };
      await connect(next);
      await ask(next);
      const client = new Receiver(next, { lost: () => random.fraction() < loss });
      const time = await client.finish();
      assertSame(client.body, body, `seed ${seed}`);
      if (loss === 0.01) assert.ok(time < 5000, `fast retransmit: took ${time} ms, seed ${seed}`);
    });
  }

  test("TcpAnswerer respects the client's window, and its opening", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    const body = someBytes(200_000);
    await learn(wire, body);
    const next = { ...wire, port: 40_001 };
    await connect(next);
    const packet = fromClient(next, { ack: true, window: 32, ...numbers(0, 0) }, { payload: GET });
    await next.world.give("requests", packet);
    const client = new Receiver(next, { windowBytes: 32 * 128 });
    await client.finish();
    assertSame(client.body, body);
  });

  test("TcpAnswerer waits for a client that has closed its window for half an hour", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    const body = someBytes(20_000);
    await learn(wire, body, "Cache-Control: max-age=7200\r\n");
    const next = { ...wire, port: 40_001 };
    await connect(next);
    const closed = { ack: true, window: 0 };
    await next.world.give("requests", fromClient(next, { ...closed, ...numbers(0, 0) }, { payload: GET }));
    for (let minute = 0; minute < 30; minute++) {
      await next.world.wait(seconds(60));
      const probes = next.world.take().filter((packet) => packet.find(tcp)?.rst === false);
      assert.ok(probes.length > 0, `no probe in minute ${minute}`);
      await next.world.give("requests", fromClient(next, { ...closed, ...numbers(GET.length, 0) }));
    }
    await next.world.give(
      "requests",
      fromClient(next, { ack: true, window: 500, ...numbers(GET.length, 0) }),
    );
    const client = new Receiver(next);
    await client.finish();
    assertSame(client.body, body);
  });

  test("TcpAnswerer begins with ten segments and doubles", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    await learn(wire, someBytes(200_000));
    const next = { ...wire, port: 40_001 };
    await connect(next);
    const packet = fromClient(next, { ack: true, window: 8192, ...numbers(0, 0) }, { payload: GET });
    const { sent } = await next.world.give("requests", packet);
    assert.equal(sent.length - 1, 10);
    const client = new Receiver(next);
    next.world.take();
    await client.take(sent.slice(1));
    assert.equal(next.world.take().length, 20);
  });

  test("TcpAnswerer repeats timestamps and goes on with the server's", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    await learn(wire, someBytes(10));
    const next = { ...wire, port: 40_001 };
    await connect(next);
    const options = Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 77, 0, 0, 0, 9);
    await next.world.wait(milliseconds(5));
    const packet = fromClient(next, { ack: true, ...numbers(0, 0) }, { payload: GET, options });
    const { sent } = await next.world.give("requests", packet);
    const segment = sent[1]?.find(tcp);
    assert.deepEqual([segment?.timestamp, segment?.timestampEcho], [9 + 5, 77]);
  });

  test("TcpAnswerer gives up on a client that is gone", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    await learn(wire, someBytes(10_000));
    const next = { ...wire, port: 40_001 };
    await connect(next);
    await ask(next);
    next.world.take();
    await next.world.wait(seconds(1200));
    assert.equal(next.world.clock.timerCount, 0);
    assert.equal(next.world.take().length, 10);
  });

  for (const [what, request, fields] of [
    ["a request with a cookie", "GET /file HTTP/1.1\r\nHost: server\r\nCookie: a=b\r\n\r\n", ""],
    [
      "a request with credentials",
      "GET /file HTTP/1.1\r\nHost: server\r\nAuthorization: Basic eA==\r\n\r\n",
      "",
    ],
    ["a request for a part", "GET /file HTTP/1.1\r\nHost: server\r\nRange: bytes=0-1\r\n\r\n", ""],
    ["another method", "HEAD /file HTTP/1.1\r\nHost: server\r\n\r\n", ""],
    ["a response that sets a cookie", GET, "Set-Cookie: a=b\r\n"],
    ["a response that must not be stored", GET, "Cache-Control: no-store\r\n"],
    ["a private response", GET, "Cache-Control: private, max-age=100\r\n"],
    ["a response that varies", GET, "Vary: Accept-Language\r\n"],
  ] as const) {
    test(`responses() does not keep ${what}`, async () => {
      const wire: Wire = { world: await world(), version: 4, port: 40_000 };
      await connect(wire);
      await ask(wire, request);
      await respond(wire, response(someBytes(100), fields));
      const next = { ...wire, port: 40_001 };
      await connect(next);
      assert.equal((await ask(next, request)).verdict, "continue");
    });
  }

  test("requests() takes what was learnt for as long as max-age says, with its age", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    await learn(wire, someBytes(10), "Cache-Control: max-age=100\r\n");
    await wire.world.wait(seconds(99));
    const next = { ...wire, port: 40_001 };
    await connect(next);
    assert.equal((await ask(next)).verdict, "drop");
    const client = new Receiver(next);
    await client.finish();
    assert.match(client.head, /\r\nAge: 99\r\n/);
    const last = { ...wire, port: 40_002 };
    await connect(last);
    assert.equal((await ask(last)).verdict, "continue");
  });

  test("requests() does not let one request have the response to another", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    const { world: one } = wire;
    await connect(wire);
    // A POST whose body looks like a request, in a segment of its own.
    const post = "POST /echo HTTP/1.1\r\nHost: server\r\nContent-Length: 40\r\n\r\n";
    await one.give("requests", fromClient(wire, { ack: true, ...numbers(0, 0) }, { payload: post }));
    await one.give("requests", fromClient(wire, { ack: true, ...numbers(post.length, 0) }, { payload: GET }));
    await respond(wire, response(someBytes(10)));
    // Two requests at once.
    const pipe = { ...wire, port: 40_001 };
    await connect(pipe);
    const other = GET.replace("/file", "/evil");
    await one.give("requests", fromClient(pipe, { ack: true, ...numbers(0, 0) }, { payload: other }));
    await one.give(
      "requests",
      fromClient(pipe, { ack: true, ...numbers(other.length, 0) }, { payload: GET }),
    );
    await respond(pipe, response(someBytes(10)));
    for (const port of [40_002]) {
      const next = { ...wire, port };
      await connect(next);
      assert.equal((await ask(next)).verdict, "continue");
    }
  });

  test("requests() asks each server for itself, whatever the host is called", async () => {
    const wire: Wire = { world: await world(), version: 4, port: 40_000 };
    await learn(wire, someBytes(10));
    const other = { ...wire, port: 40_001, version: 6 } as const;
    await connect(other);
    assert.equal((await ask(other)).verdict, "continue");
  });
});
