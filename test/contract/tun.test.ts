/**
 * What every Tun promises, run on a device of the kernel's with UDP sockets at its other end, and on a simulated one.
 * @module
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, afterEach, before, describe, it } from "node:test";
import type { MetanetError } from "#base/errors.ts";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import type { CapturedPacket } from "#io/captured-packet.ts";
import type { Tun, TunOptions } from "#io/tun.ts";
import { LinuxTun } from "#linux/tun.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { LinkType } from "#packet/link-type.ts";
import { udp } from "#packet/udp.ts";
import { SimTun } from "#sim/tun.ts";
import { bytesOf, eachPacket, eventually } from "../lab/frame-lab.ts";
import { enterOwnNamespace, rootProblem } from "../lab/own-namespace.ts";
import { UdpHost } from "../lab/packet-queue-net.ts";

const [HERE, THERE, PORT] = ["10.9.0.1", "10.9.0.2", 4000];

interface World {
  start(): void;
  open(options?: Partial<TunOptions>): Tun;
  /** Sends datagrams from HERE to THERE through the device that was opened last. */
  push(...texts: string[]): void;
  /** The texts of datagrams from THERE that have arrived at HERE. */
  arrived(): string[];
  tidy(): void;
}

function linuxWorld(): World {
  let host: UdpHost | undefined;
  const open: Tun[] = [];
  return {
    start: () => {
      enterOwnNamespace();
      const none = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"];
      execFileSync("sysctl", ["-qw", ...none]);
    },
    open: (options = {}) => {
      const tun = new LinuxTun({ mode: "tun", ...options });
      open.push(tun);
      execFileSync("ip", ["address", "add", `${HERE}/24`, "dev", tun.name]);
      host ??= new UdpHost(HERE, PORT);
      return tun;
    },
    push: (...texts) => {
      for (const text of texts) host?.send(THERE, PORT, text);
    },
    arrived: () => host?.received() ?? [],
    tidy: () => {
      for (const tun of open.splice(0)) tun.close();
      host?.received();
    },
  };
}

function simWorld(): World {
  let tun: SimTun | undefined;
  let seenCount = 0;
  return {
    start: () => undefined,
    open: (options = {}) => {
      seenCount = 0;
      tun = new SimTun({ mode: "tun", now: () => Date.now(), ...options });
      return tun;
    },
    push: (...texts) => tun?.push(...texts.map((text) => packetOf(HERE, THERE, text))),
    arrived: () => {
      const fresh = tun?.written.slice(seenCount) ?? [];
      seenCount += fresh.length;
      return fresh.map(textIn);
    },
    tidy: () => tun?.close(),
  };
}

function packetOf(source: string, destination: string, text: string): Uint8Array {
  return build(
    ipv4.header({ source, destination }),
    udp.header({ sourcePort: PORT, destinationPort: PORT }),
    Buffer.from(text),
  ).toBytes();
}

const textIn = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(28)).toString();

for (const [name, makeWorld, skip] of [
  ["LinuxTun", linuxWorld, rootProblem()],
  ["SimTun", simWorld, false],
] as const) {
  describe(name, { skip }, () => {
    const world = makeWorld();
    before(() => world.start());
    afterEach(() => world.tidy());
    after(() => world.tidy());

    const sees = async <T>(tun: Tun, count: number, look: (packet: CapturedPacket) => T): Promise<T[]> => {
      const seen: T[] = [];
      tun.start(eachPacket((packet) => void seen.push(look(packet))));
      await eventually(
        () => seen.length,
        (length) => length >= count,
      );
      return seen;
    };

    it("start() hands over what is routed into the device, whole and in order", async () => {
      const tun = world.open();
      const sent = Array.from({ length: 200 }, (_, index) => `p${index}`);
      const from = Math.floor(Date.now() / 1000) - 1;
      world.push(...sent);
      const seen = await sees(tun, 200, (packet) => {
        assert.equal(packet.linkType, LinkType.raw);
        assert.equal(packet.interfaceId, tun.index);
        assert.equal(packet.capturedBytes, packet.originalBytes);
        assert.ok(packet.seconds >= from && packet.seconds <= Date.now() / 1000 + 1);
        assert.ok(Number.isInteger(packet.nanoseconds) && packet.nanoseconds < 1e9);
        assert.deepEqual([packet.vlanTag, packet.packetType, packet.isTimed], [-1, 0, true]);
        return textIn(bytesOf(packet));
      });
      assert.deepEqual(seen, sent);
      assert.equal(tun.linkType, LinkType.raw);
      assert.deepEqual(tun.statistics(), { receivedCount: 200, sentCount: 0, unsentCount: 0 });
    });

    it("write() gives the kernel a packet, a part of some bytes, also from within a batch", async () => {
      const tun = world.open();
      tun.start(
        eachPacket(({ bytes, offset, capturedBytes }) => {
          // Back to where it came from: the checksums stay right when the addresses trade places.
          const source = bytes.slice(offset + 12, offset + 16);
          bytes.copyWithin(offset + 12, offset + 16, offset + 20);
          bytes.set(source, offset + 16);
          assert.equal(tun.write(bytes, offset, capturedBytes), true);
        }),
      );
      world.push("a", "b", "c");
      const texts: string[] = [];
      await eventually(
        () => texts.push(...world.arrived()),
        () => texts.length >= 3,
      );
      assert.equal(tun.write(packetOf(THERE, HERE, "whole")), true);
      await eventually(
        () => texts.push(...world.arrived()),
        () => texts.length >= 4,
      );
      assert.deepEqual(texts, ["a", "b", "c", "whole"]);
      assert.deepEqual(tun.statistics(), { receivedCount: 3, sentCount: 4, unsentCount: 0 });
    });

    it("write() of what is no packet is refused, counted and reported; outside of the bytes it throws", () => {
      const tun = world.open();
      const troubles: MetanetError[] = [];
      tun.onTrouble((error) => troubles.push(error));
      for (const none of [Uint8Array.of(0, 1, 2, 3), new Uint8Array(0), new Uint8Array(40)]) {
        assert.equal(tun.write(none), false);
      }
      assert.equal(tun.statistics().unsentCount, 3);
      assert.match(troubles[0]?.message ?? "", /^Cannot write a packet to tun0: EINVAL/);
      for (const [offset, lengthBytes] of [
        [-1, 2],
        [0, 41],
        [40, 1],
        [0, -1],
      ] as const) {
        assert.throws(() => tun.write(new Uint8Array(40), offset, lengthBytes), RangeError);
      }
    });

    it("pause() leaves packets in the device, resume() brings them", async () => {
      const tun = world.open();
      const seen: string[] = [];
      tun.start(eachPacket((packet) => void seen.push(textIn(bytesOf(packet)))));
      tun.pause();
      world.push("a", "b");
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(seen, []);
      tun.resume();
      await eventually(
        () => seen.length,
        (length) => length === 2,
      );
      assert.deepEqual(seen, ["a", "b"]);
    });

    it("an MTU is the longest packet that comes whole", async () => {
      const tun = world.open({ mtuBytes: 9000 });
      world.push("x".repeat(9000 - 28), "y");
      assert.deepEqual(await sees(tun, 2, (packet) => packet.capturedBytes), [9000, 29]);
    });

    it("close() inside the consumer ends the batch; twice is harmless, and nothing is written afterwards", async () => {
      const tun = world.open();
      let count = 0;
      tun.start((batch) => {
        while (batch.next()) {
          count++;
          tun.close();
        }
      });
      world.push("a", "b");
      await eventually(
        () => count,
        (seen) => seen > 0,
      );
      tun.close();
      tun.pause();
      tun.resume();
      assert.equal(tun.write(packetOf(THERE, HERE, "late")), false);
      assert.equal(count, 1);
    });

    it("a name is taken as it is, or with a number for %d", () => {
      assert.equal(world.open({ name: "inline0" }).name, "inline0");
      world.tidy();
      assert.equal(world.open({ name: "mn%dx" }).name, "mn0x");
      world.tidy();
      assert.equal(world.open().name, "tun0");
      world.tidy();
      const tap = world.open({ mode: "tap" });
      assert.deepEqual([tap.name, tap.linkType], ["tap0", LinkType.ethernet]);
    });

    it("refuses options that are none", () => {
      for (const wrong of ["", "sixteen-letters-", "a b", "a/b", "a:b", "..", "%d%d", "50%", "ä"]) {
        assert.throws(() => world.open({ name: wrong }), ConfigurationError, wrong);
      }
      assert.throws(() => world.open({ mode: "tub" as "tun" }), ConfigurationError);
      assert.throws(() => world.open({ mtuBytes: 67 }), LimitExceededError);
      assert.throws(() => world.open({ mtuBytes: 65_522 }), LimitExceededError);
    });
  });
}
