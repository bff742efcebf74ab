/**
 * What every PacketCapture promises, run on a ring of the kernel's on one end of a veth pair, and on a simulated
 * interface.
 * @module
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { milliseconds } from "#base/time.ts";
import { PacketType } from "#io/captured-packet.ts";
import {
  NoSuchInterfaceError,
  type PacketCapture,
  type PacketCaptureOptions,
  RING_BYTES_MIN,
} from "#io/packet-capture.ts";
import { native } from "#linux/native.ts";
import { LinuxPacketCapture } from "#linux/packet-ring.ts";
import { LinkType } from "#packet/link-type.ts";
import { type SimCapturedPacket, SimCaptureInterface } from "#sim/packet-capture.ts";
import type { CaptureRecord } from "#wire/capture-record.ts";
import {
  bpf,
  bytesOf,
  datagramOf,
  EXPERIMENT,
  eachPacket,
  eventually,
  FramePort,
  makePair,
  textFrame,
  textOf,
  udpFrame,
} from "../lab/frame-lab.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";

const NAME = "cap0";
const VLAN = 0x8100;

interface World {
  start(): void;
  open(options?: Partial<PacketCaptureOptions>): PacketCapture;
  /** Frames that come in, and that go out. */
  arrive(...frames: readonly Uint8Array[]): void;
  leave(...frames: readonly Uint8Array[]): void;
  index(): number;
  stop(): void;
}

function linuxWorld(): World {
  const ports = new Map<string, FramePort>();
  return {
    start: () => {
      enterOwnNamespace();
      makePair(NAME, "far0");
      for (const name of [NAME, "far0"]) ports.set(name, new FramePort(name));
    },
    open: (options = {}) =>
      new LinuxPacketCapture({ interface: NAME, blockTimeout: milliseconds(2), ...options }),
    arrive: (...frames) => ports.get("far0")?.send(...frames),
    leave: (...frames) => ports.get(NAME)?.send(...frames),
    index: () => native().interfaceIndex(NAME),
    stop: () => {
      for (const port of ports.values()) port.close();
    },
  };
}

function simWorld(): World {
  const place = new SimCaptureInterface({ name: NAME, index: 7 });
  const received = (bytes: Uint8Array): SimCapturedPacket => {
    const now = Date.now();
    const times = { seconds: Math.floor(now / 1000), nanoseconds: (now % 1000) * 1_000_000 };
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (view.getUint16(12) !== VLAN) return { ...times, bytes, packetType: PacketType.broadcast };
    const untagged = Uint8Array.of(...bytes.subarray(0, 12), ...bytes.subarray(16));
    return { ...times, bytes: untagged, packetType: PacketType.broadcast, vlanTag: view.getUint16(14) };
  };
  return {
    start: () => undefined,
    open: (options = {}) => place.open({ interface: NAME, ...options }),
    arrive: (...frames) => place.push(...frames.map(received)),
    leave: (...frames) =>
      place.push(...frames.map((bytes) => ({ ...received(bytes), packetType: PacketType.outgoing }))),
    index: () => place.index,
    stop: () => undefined,
  };
}

for (const [name, makeWorld, skip] of [
  ["LinuxPacketCapture", linuxWorld, rootProblem()],
  ["SimPacketCapture", simWorld, false],
] as const) {
  describe(name, { skip }, () => {
    const world = makeWorld();
    const open: PacketCapture[] = [];
    before(() => world.start());
    afterEach(() => {
      for (const capture of open.splice(0)) capture.close();
    });
    after(() => world.stop());

    const capture = (options: Partial<PacketCaptureOptions> = {}): PacketCapture => {
      const one = world.open(options);
      open.push(one);
      return one;
    };

    /** What `count` packets look like to `look`, and all that came with them. */
    const sees = async <T>(
      one: PacketCapture,
      count: number,
      look: (packet: Parameters<Parameters<typeof eachPacket>[0]>[0]) => T,
    ): Promise<T[]> => {
      const seen: T[] = [];
      one.start(eachPacket((packet) => void seen.push(look(packet))));
      await eventually(
        () => seen.length,
        (length) => length >= count,
      );
      return seen;
    };

    it("start() hands over every packet once, in order, with its bytes, lengths and time", async () => {
      const one = capture();
      const from = Math.floor(Date.now() / 1000) - 1;
      const sent = Array.from({ length: 300 }, (_, index) => textFrame(`p${index}`, 60 + index));
      world.arrive(...sent);
      const seen = await sees(one, 300, (packet) => {
        const { seconds, nanoseconds, capturedBytes, originalBytes } = packet;
        assert.ok(seconds >= from && seconds <= Date.now() / 1000 + 1, `${seconds}`);
        assert.ok(Number.isInteger(nanoseconds) && nanoseconds >= 0 && nanoseconds < 1e9);
        assert.equal(capturedBytes, originalBytes);
        assert.equal(packet.linkType, LinkType.ethernet);
        assert.equal(packet.interfaceId, world.index());
        assert.equal(packet.vlanTag, -1);
        assert.equal(packet.vlanProtocol, -1);
        assert.equal(packet.packetType, PacketType.broadcast);
        // The record is a capture file's, too.
        assert.equal((packet satisfies CaptureRecord).isTimed, true);
        return bytesOf(packet);
      });
      assert.deepEqual(seen, sent);
      assert.equal(one.linkType, LinkType.ethernet);
      assert.equal(one.filterLinkType, LinkType.ethernet);
      assert.deepEqual(one.statistics(), { receivedCount: 300, droppedCount: 0, freezeCount: 0 });
    });

    it("next() gives one record again and again, and nothing after the batch", async () => {
      const one = capture();
      const records = new Set<unknown>();
      const batches = new Set<unknown>();
      let last: { next(): boolean } | undefined;
      let count = 0;
      one.start((batch) => {
        last = batch;
        batches.add(batch);
        let own = 0;
        while (batch.next()) {
          records.add(batch.packet);
          own++;
        }
        assert.equal(own, batch.count);
        assert.equal(batch.next(), false);
        count += own;
      });
      world.arrive(textFrame("a"), textFrame("b"));
      await eventually(
        () => count,
        (seen) => seen === 2,
      );
      world.arrive(textFrame("c"));
      await eventually(
        () => count,
        (seen) => seen === 3,
      );
      assert.deepEqual([count, records.size, batches.size], [3, 1, 1]);
      assert.equal(last?.next(), false);
    });

    it("a snap length cuts packets off, and their length on the wire stays", async () => {
      const one = capture({ snapLengthBytes: 20 });
      world.arrive(textFrame("0123456789", 100), textFrame("a", 18));
      const seen = await sees(one, 2, (packet) => [
        packet.capturedBytes,
        packet.originalBytes,
        textOf(packet),
      ]);
      assert.deepEqual(seen, [
        [20, 100, "012345"],
        [18, 18, "a"],
      ]);
    });

    it("a filter keeps what its program wants, as much of it as it wants, and the snap length still holds", async () => {
      const linkTypes: number[] = [];
      const filter = (linkType: number) => {
        linkTypes.push(linkType);
        return [
          bpf(0x28, 12), // ldh [12]
          bpf(0x15, EXPERIMENT, 0, 5),
          bpf(0x30, 14), // ldb [14]
          bpf(0x15, 0x79, 0, 1), // "y"
          bpf(0x06, 30),
          bpf(0x15, 0x7a, 0, 1), // "z"
          bpf(0x06, 17),
          bpf(0x06, 0),
        ];
      };
      const one = capture({ filter, snapLengthBytes: 24 });
      world.arrive(...["no", "yes", "zzzzzz", "never", "y"].map((text) => textFrame(text, 60)));
      const seen = await sees(one, 3, (packet) => [
        textOf(packet),
        packet.capturedBytes,
        packet.originalBytes,
      ]);
      assert.deepEqual(seen, [
        ["yes", 24, 60],
        ["zzz", 17, 60],
        ["y", 24, 60],
      ]);
      assert.deepEqual(linkTypes, [LinkType.ethernet]);
      assert.equal(one.statistics().droppedCount, 0);
    });

    for (const [direction, wanted] of [
      ["both", ["in:1", "out:4", "in 2:1"]],
      ["incoming", ["in:1", "in 2:1"]],
      ["outgoing", ["out:4"]],
    ] as const) {
      it(`direction "${direction}" sees ${wanted.length} of three packets`, async () => {
        // A filter behind it sees what it would see alone.
        const one = capture({ direction, filter: [bpf(0x15, 0, 0, 1), bpf(0x06, 1000), bpf(0x06, 0)] });
        world.arrive(textFrame("in"));
        world.leave(textFrame("out"));
        world.arrive(textFrame("in 2"));
        const seen = await sees(one, wanted.length, (packet) => `${textOf(packet)}:${packet.packetType}`);
        assert.deepEqual(seen, wanted);
      });
    }

    it("a VLAN tag that the card took off is back in the frame, or in the record", async () => {
      const frame = textFrame("tagged", 64, [0x8100_2005]);
      const look = (packet: Parameters<Parameters<typeof eachPacket>[0]>[0]) => [
        bytesOf(packet),
        packet.vlanTag,
        packet.vlanProtocol,
        packet.originalBytes,
      ];
      const asOnWire = capture();
      const inRecord = capture({ vlanTags: "record" });
      world.arrive(frame);
      assert.deepEqual(await sees(asOnWire, 1, look), [[frame, -1, -1, 64]]);
      const untagged = Uint8Array.of(...frame.subarray(0, 12), ...frame.subarray(16));
      assert.deepEqual(await sees(inRecord, 1, look), [[untagged, 0x2005, 0x8100, 60]]);
    });

    it("pause(): the ring fills, what does not fit is dropped and counted; resume() gives the rest", async () => {
      const one = capture({ ringBytes: RING_BYTES_MIN });
      const seen: string[] = [];
      one.start(eachPacket((packet) => void seen.push(textOf(packet))));
      one.pause();
      const sent = Array.from({ length: 800 }, (_, index) => `p${index}`);
      world.arrive(...sent.map((text) => textFrame(text, 1400)));
      const { droppedCount } = await eventually(
        () => one.statistics(),
        (statistics) => statistics.droppedCount > 0,
      );
      assert.ok(droppedCount > 200 && droppedCount < 800, `${droppedCount} dropped`);
      assert.deepEqual(seen, []);
      one.resume();
      await eventually(
        () => seen.length,
        (length) => length === 800 - droppedCount,
      );
      assert.deepEqual(seen, sent.slice(0, 800 - droppedCount));
      const { receivedCount, freezeCount } = one.statistics();
      assert.equal(receivedCount, 800 - droppedCount);
      assert.ok(freezeCount >= 1);
      world.arrive(textFrame("again"));
      await eventually(
        () => seen.at(-1),
        (text) => text === "again",
      );
      assert.equal(seen.at(-1), "again");
    });

    it("a fan-out group: each member sees whole flows, in both directions, and nothing twice", async () => {
      const seen: string[][] = [[], []];
      for (const texts of seen) {
        const one = capture({ fanout: { group: 77, mode: "hash" } });
        one.start(eachPacket((packet) => void texts.push(datagramOf(packet))));
      }
      const flows = Array.from({ length: 40 }, (_, index) => index);
      for (const flow of flows) {
        const [client, server] = [`10.0.0.1:${5000 + flow * 7}`, `10.0.0.2:${80 + flow}`];
        world.arrive(udpFrame(client, server, `${flow} out`));
        world.arrive(udpFrame(server, client, `${flow} back`), udpFrame(client, server, `${flow} more`));
      }
      await eventually(
        () => seen.flat().length,
        (length) => length >= 120,
      );
      const flowsOf = (texts: readonly string[] = []): string[] =>
        texts.map((text) => text.split(" ")[0] ?? "");
      const [left, right] = [new Set(flowsOf(seen[0])), new Set(flowsOf(seen[1]))];
      assert.equal(seen.flat().length, 120);
      assert.equal(left.size + right.size, 40, "a flow is on both sides");
      assert.ok(left.size > 4 && right.size > 4, `${left.size} and ${right.size} flows`);
    });

    it("close() inside the consumer ends the batch; twice is harmless, and nothing comes afterwards", async () => {
      const one = capture();
      let count = 0;
      one.start((batch) => {
        while (batch.next()) {
          count++;
          one.close();
          assert.equal(batch.packet.capturedBytes, 0);
          assert.equal(batch.packet.bytes.length, 0);
        }
      });
      world.arrive(textFrame("a"), textFrame("b"));
      await eventually(
        () => count,
        (seen) => seen > 0,
      );
      world.arrive(textFrame("c"));
      one.close();
      one.pause();
      one.resume();
      one.start(() => assert.fail("a batch after close()"));
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(count, 1);
      assert.ok(one.statistics().receivedCount >= 1);
    });

    it("refuses options that are none, and an interface that is not there", () => {
      assert.throws(() => world.open({ interface: "nosuch0" }), NoSuchInterfaceError);
      assert.throws(() => world.open({ interface: "longer-than-any-name" }), NoSuchInterfaceError);
      assert.throws(() => world.open({ interface: "" }), ConfigurationError);
      assert.throws(() => world.open({ snapLengthBytes: 0 }), LimitExceededError);
      assert.throws(() => world.open({ ringBytes: RING_BYTES_MIN - 1 }), LimitExceededError);
      assert.throws(() => world.open({ blockTimeout: milliseconds(0) }), LimitExceededError);
      assert.throws(() => world.open({ fanout: { group: 65_536, mode: "hash" } }), ConfigurationError);
      assert.throws(() => world.open({ direction: "up" as "both" }), ConfigurationError);
      assert.throws(() => world.open({ filter: [] }), LimitExceededError);
    });
  });
}
