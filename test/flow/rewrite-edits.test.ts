/**
 * The numbers of edited streams, one by one; what a monitor may not do; resets.
 * @module
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine } from "#flow/engine.ts";
import { EditRefusedError } from "#flow/errors.ts";
import { type Carrier, StreamEdits } from "#flow/rewrite/stream-edits.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import { Packet } from "#packet/packet.ts";
import { tcp } from "#packet/tcp.ts";
import { verifyChecksum } from "#packet/verify.ts";

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const text = (from: Uint8Array): string => Buffer.from(from).toString();

function editsOf(...list: readonly (readonly [number, number, string, Carrier?])[]): StreamEdits {
  const edits = new StreamEdits();
  for (const [offset, removedBytes, inserted, carrier = "behind"] of list) {
    assert.equal(edits.add({ offset, removedBytes, inserted: bytes(inserted), carrier }), "");
  }
  return edits;
}

describe("StreamEdits", () => {
  const cases: readonly {
    readonly name: string;
    readonly edits: StreamEdits;
    readonly toNew: readonly (readonly [number, number])[];
    readonly toOriginal: readonly (readonly [number, number])[];
    readonly payloads: readonly (readonly [number, string, string])[];
  }[] = [
    {
      name: "an insertion in front of byte 10",
      edits: editsOf([10, 0, "abc"]),
      toNew: [
        [-1, -1],
        [9, 9],
        [10, 10],
        [11, 14],
      ],
      toOriginal: [
        [0, 0],
        [10, 10],
        [12, 10],
        [13, 10],
        [14, 11],
      ],
      payloads: [
        [5, "12345", "12345"],
        [9, "9X", "9abcX"],
        [10, "X", "abcX"],
        [11, "Y", "Y"],
      ],
    },
    {
      name: "an insertion behind byte 9",
      edits: editsOf([10, 0, "abc", "front"]),
      toNew: [
        [9, 9],
        [10, 13],
      ],
      toOriginal: [
        [9, 9],
        [10, 9],
        [12, 9],
        [13, 10],
      ],
      payloads: [
        [9, "9", "9abc"],
        [9, "9X", "9abcX"],
        [10, "X", "X"],
      ],
    },
    {
      name: "a segment of our own at 10",
      edits: editsOf([10, 0, "abc", "own"]),
      toNew: [
        [9, 9],
        [10, 13],
      ],
      toOriginal: [
        [10, 10],
        [12, 10],
        [13, 10],
        [14, 11],
      ],
      payloads: [
        [9, "9", "9"],
        [9, "9X", "9abcX"],
        [10, "X", "X"],
      ],
    },
    {
      name: "bytes 10 to 14 removed",
      edits: editsOf([10, 5, ""]),
      toNew: [
        [10, 10],
        [12, 10],
        [15, 10],
        [16, 11],
      ],
      toOriginal: [
        [9, 9],
        [10, 15],
        [11, 16],
      ],
      payloads: [
        [8, "89abcdeX", "89X"],
        [12, "cdeX", "X"],
        [10, "ab", ""],
      ],
    },
    {
      name: "bytes 10 to 14 replaced by more",
      edits: editsOf([10, 5, "1234567"]),
      toNew: [
        [10, 10],
        [12, 17],
        [15, 17],
      ],
      toOriginal: [
        [10, 10],
        [16, 10],
        [17, 15],
      ],
      payloads: [
        [9, "9abcdeX", "91234567X"],
        [11, "bcdeX", "X"],
        [10, "a", "1234567"],
      ],
    },
  ];
  for (const { name, edits, toNew, toOriginal, payloads } of cases) {
    test(`${name}: numbers and bytes`, () => {
      for (const [from, to] of toNew) assert.equal(edits.toNew(from), to, `toNew(${from})`);
      for (const [from, to] of toOriginal) assert.equal(edits.toOriginal(from), to, `toOriginal(${from})`);
      for (const [offset, payload, wanted] of payloads) {
        assert.equal(text(edits.apply(offset, bytes(payload), false)), wanted, `${payload} at ${offset}`);
      }
    });
  }

  test("blockToOriginal() never covers a byte that has to bring an insertion again", () => {
    const edits = editsOf([10, 0, "abc"], [20, 5, ""]);
    assert.deepEqual(edits.blockToOriginal({ left: 13, right: 23 }), { left: 11, right: 25 });
    assert.deepEqual(edits.blockToOriginal({ left: 11, right: 15 }), { left: 11, right: 12 });
    assert.deepEqual(edits.blockToOriginal({ left: 10, right: 13 }), undefined);
    assert.deepEqual(edits.blockToOriginal({ left: 5, right: 12 }), { left: 5, right: 10 });
    assert.deepEqual(edits.blockToOriginal({ left: 23, right: 24 }), { left: 20, right: 26 });
  });

  test("settle() keeps only the difference, and old acknowledgements never run ahead", () => {
    const edits = editsOf([10, 0, "abc"], [20, 5, ""]);
    edits.settle(12);
    assert.equal(edits.count, 2);
    edits.settle(13);
    assert.equal(edits.count, 1);
    edits.settle(24);
    assert.deepEqual([edits.count, edits.settledOffset, edits.toNew(30)], [0, 25, 28]);
    assert.ok(edits.toOriginal(22) <= 25);
  });

  test("add() refuses what overlaps, and joins what is inserted at one place", () => {
    const edits = editsOf([10, 0, "a"], [10, 2, "b"]);
    assert.equal(text(edits.apply(9, bytes("9XYZ"), false)), "9abZ");
    assert.equal(
      edits.add({ offset: 11, removedBytes: 1, inserted: bytes(""), carrier: "behind" }),
      "overlap",
    );
    assert.equal(
      edits.add({ offset: 8, removedBytes: 3, inserted: bytes(""), carrier: "behind" }),
      "overlap",
    );
    edits.discardFrom(10);
    assert.equal(edits.count, 0);
  });
});

interface Sent {
  readonly isFromClient: boolean;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly payload: string;
}

/** A connection packet by packet. */
class Line {
  readonly sent: Sent[] = [];
  readonly errors: unknown[] = [];
  readonly engine: FlowEngine;
  readonly #version: 4 | 6;
  #now = 1e12;

  constructor(version: 4 | 6, hasOutput = true) {
    this.#version = version;
    this.engine = new FlowEngine({
      random: new SeededRandom(1),
      ...(hasOutput ? { output: (packet: Uint8Array) => this.sent.push(this.#describe(packet)) } : {}),
      onError: (_, error) => this.errors.push(error),
    });
  }

  open(): this {
    this.say(true, 99, 0, 2);
    this.say(false, 499, 100, 0x12);
    this.say(true, 100, 500, 0x10);
    return this;
  }

  /** What becomes of a segment; `undefined` when it goes no further. */
  say(
    isFromClient: boolean,
    sequence: number,
    acknowledgment: number,
    flags: number,
    payload = "",
  ): Sent | undefined {
    const ends = isFromClient ? ["1", "2"] : ["2", "1"];
    const network =
      this.#version === 4
        ? ipv4.header({ source: `10.0.0.${ends[0]}`, destination: `10.0.0.${ends[1]}` })
        : ipv6.header({ source: `fd00::${ends[0]}`, destination: `fd00::${ends[1]}` });
    const [sourcePort, destinationPort] = isFromClient ? [1000, 80] : [80, 1000];
    const header = tcp.header({ sourcePort, destinationPort, sequence, acknowledgment, flags, window: 1000 });
    const packet = build(network, header, bytes(payload)).toPacket();
    packet.time = this.#now++;
    return this.engine.handlePacket(packet) ? this.#describe(packet.copy()) : undefined;
  }

  #describe(packet: Uint8Array): Sent {
    const copy = Uint8Array.from(packet);
    const view = new Packet().aim(
      new DataView(copy.buffer),
      0,
      copy.length,
      this.#version === 4 ? 0x0800 : 0x86dd,
    );
    const segment = view.find(tcp);
    assert.ok(segment);
    assert.equal(verifyChecksum(segment), "good");
    const { sequence, acknowledgment, flags, sourcePort } = segment;
    return {
      isFromClient: sourcePort === 1000,
      sequence,
      acknowledgment,
      flags,
      payload: text(segment.bytes(segment.headerBytes)),
    };
  }
}

describe("flows inline", () => {
  for (const version of [4, 6] as const) {
    test(`reset() tells both ends exactly what they wait for, IPv${version}, and lets nothing more pass`, () => {
      const line = new Line(version).open();
      const monitor = line.engine.monitor();
      monitor.on("newData", "none", (flow) => flow.reset());
      line.engine.close();
      line.open();
      assert.equal(line.say(true, 100, 500, 0x18, "hello"), undefined);
      assert.deepEqual(line.errors, []);
      const toServer = line.sent.filter(({ isFromClient }) => isFromClient);
      const toClient = line.sent.filter(({ isFromClient }) => !isFromClient);
      for (const { flags } of line.sent) assert.equal(flags, 0x14);
      assert.ok(toServer.some(({ sequence }) => sequence === 100));
      assert.ok(toClient.some(({ sequence }) => sequence === 500));
      assert.equal(line.say(false, 500, 100, 0x10), undefined);
    });

    test(`what is removed as a whole is acknowledged to its sender, IPv${version}`, () => {
      const line = new Line(version);
      const monitor = line.engine.monitor({ edits: true });
      monitor.on("newData", "none", (flow, event) =>
        flow.end(event.sender).remove(event.offset, event.lengthBytes),
      );
      line.open();
      line.say(false, 500, 100, 0x10);
      const left = line.say(true, 100, 500, 0x18, "hello");
      assert.deepEqual([left?.sequence, left?.payload], [100, ""]);
      assert.deepEqual(line.sent, [
        { isFromClient: false, sequence: 500, acknowledgment: 105, flags: 0x10, payload: "" },
      ]);
      assert.equal(line.say(true, 105, 500, 0x11)?.sequence, 100);
      assert.equal(line.say(false, 500, 101, 0x10)?.acknowledgment, 106);
    });
  }

  test("edit() refuses what cannot be, and says why", () => {
    const refused: [string, () => void][] = [];
    const line = new Line(4);
    const plain = line.engine.monitor();
    const monitor = line.engine.monitor({ edits: true });
    let isFirst = true;
    plain.on("newData", "none", (flow) => {
      refused.push(["made without { edits: true }", () => flow.client.insert(0, bytes("x"))]);
      for (const [why, call] of refused.splice(0))
        assert.throws(call, (e) => e instanceof EditRefusedError && e.message.includes(why));
    });
    monitor.on("newData", "none", (flow, { offset, lengthBytes }) => {
      const end = offset + lengthBytes;
      const cases: [string, () => void][] = [
        ["not all in the packet", () => flow.client.remove(end - 1, 2)],
        ["no packet of this end", () => flow.server.insert(0, bytes("x"))],
        ["are no counts", () => flow.client.remove(0.5, 1)],
      ];
      if (!isFirst) cases.push(["has been forwarded", () => flow.client.insert(offset - 1, bytes("x"))]);
      isFirst = false;
      for (const [why, call] of cases) {
        assert.throws(call, (error) => error instanceof EditRefusedError && error.message.includes(why), why);
      }
    });
    line.open();
    line.say(true, 100, 500, 0x18, "hello");
    line.say(true, 105, 500, 0x18, "hello");
    assert.deepEqual(line.errors, []);
    assert.equal(isFirst, false);
  });

  test("edit() refuses a segment that would be too long when nothing can be sent besides", () => {
    const line = new Line(4, false);
    const monitor = line.engine.monitor({ edits: true });
    monitor.on("newData", "none", (flow) => flow.client.insert(0, new Uint8Array(600)));
    line.open();
    assert.equal(line.say(true, 100, 500, 0x18, "hello")?.payload, "hello");
    assert.match(
      String(line.errors[0]),
      /would carry 605, its receiver takes 536; give the engine an output/,
    );
  });

  test("send() shifts the numbers of what its end sends later, and comes again until it is acknowledged", () => {
    const line = new Line(4);
    const monitor = line.engine.monitor();
    monitor.on("newData", "none", (flow, { sender }) => {
      if (sender === "client") flow.server.send(bytes("go away"));
    });
    line.open();
    line.say(true, 100, 500, 0x18, "hello");
    const spoken = {
      isFromClient: false,
      sequence: 500,
      acknowledgment: 100,
      flags: 0x18,
      payload: "go away",
    };
    assert.deepEqual(line.sent, [spoken]);
    line.engine.advance(1e12 + 500);
    assert.deepEqual(line.sent, [spoken, spoken]);
    assert.equal(line.say(false, 500, 105, 0x18, "bye")?.sequence, 507);
    assert.equal(line.say(true, 105, 510, 0x10)?.acknowledgment, 503);
    line.engine.advance(1e12 + 100_000);
    assert.equal(line.sent.length, 2);
  });

  test("a flow whose numbers differ is reset when the engine lets it go", () => {
    const line = new Line(4);
    const monitor = line.engine.monitor({ edits: true });
    monitor.on("newData", "none", (flow) => flow.client.insert(0, bytes("more ")));
    line.open();
    assert.equal(line.say(true, 100, 500, 0x18, "hello")?.payload, "more hello");
    line.say(false, 500, 110, 0x10);
    line.engine.close();
    assert.deepEqual(
      line.sent.map(({ isFromClient, sequence, flags }) => [isFromClient, sequence, flags]),
      [
        [true, 110, 0x14],
        [false, 500, 0x14],
      ],
    );
  });
});
