/**
 * The lifetime of a ring that the addon maps: who may hold its memory, and when the kernel gets it back.
 * @module
 */
import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { native } from "#linux/native.ts";
import { RING_BLOCK_BYTES, ringRequest } from "#linux/packet-ring-descriptor.ts";
import { encodeInt } from "#linux/socket-address.ts";
import {
  AF_INET,
  AF_PACKET,
  PACKET_RX_RING,
  PACKET_VERSION,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_PACKET,
  TPACKET_V3,
} from "#linux/socket-constants.ts";
import { eventually } from "./frame-lab.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

const RING_BYTES = 2 * RING_BLOCK_BYTES;

function socketWithRing(): number {
  const fd = native().socket(AF_PACKET, SOCK_RAW, 0);
  native().setsockopt(fd, SOL_PACKET, PACKET_VERSION, encodeInt(TPACKET_V3));
  native().setsockopt(fd, SOL_PACKET, PACKET_RX_RING, ringRequest(RING_BYTES, 10));
  return fd;
}

/** Packet sockets of this namespace. */
function socketCount(): number {
  return readFileSync("/proc/self/net/packet", "utf8").trim().split("\n").length - 1;
}

describe("the addon's rings", { skip: rootProblem() }, () => {
  before(() => enterOwnNamespace());

  it("unmapRing() empties every view and closes the descriptor; twice is harmless", () => {
    const fd = socketWithRing();
    const ring = native().mapRing(fd, RING_BYTES);
    const [bytes, words] = [new Uint8Array(ring), new Int32Array(ring, 4096)];
    assert.equal(ring.byteLength, RING_BYTES);
    bytes[RING_BYTES - 1] = 7;
    assert.equal(bytes[RING_BYTES - 1], 7);
    assert.equal(socketCount(), 1);
    native().unmapRing(ring);
    assert.deepEqual(
      [ring.byteLength, bytes.length, words.length, words[3], socketCount()],
      [0, 0, 0, undefined, 0],
    );
    assert.throws(() => native().getsockname(fd), { code: "EBADF" });
    native().unmapRing(ring);
  });

  it("memory that was given to another buffer lives as long as that one", () => {
    const ring = native().mapRing(socketWithRing(), RING_BYTES);
    const other = ring.transfer();
    native().unmapRing(ring);
    const bytes = new Uint8Array(other);
    bytes.fill(3);
    assert.equal(bytes.at(-1), 3);
    // A transfer to another length copies.
    const copy = native().mapRing(socketWithRing(), RING_BYTES).transfer(16);
    assert.equal(copy.byteLength, 16);
  });

  it("a ring that nobody has any more is collected, and its socket with it", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    for (let count = 0; count < 5; count++)
      new Uint8Array(native().mapRing(socketWithRing(), RING_BYTES)).fill(1);
    const left = await eventually(
      () => {
        collect();
        return socketCount();
      },
      (count) => count === 0,
    );
    assert.equal(left, 0);
  });

  it("no thread can be given a ring, which its own thread may unmap", () => {
    const ring = native().mapRing(socketWithRing(), RING_BYTES);
    assert.throws(() => structuredClone(ring, { transfer: [ring] }), { name: "DataCloneError" });
    native().unmapRing(ring);
  });

  it("mapRing() refuses what has no ring, and leaves it to its owner", () => {
    const file = openSync(import.meta.filename, "r");
    assert.throws(() => native().mapRing(file, 4096), { code: "ENOTSOCK" });
    closeSync(file);
    for (const fd of [native().socket(AF_INET, SOCK_DGRAM, 0), native().socket(AF_PACKET, SOCK_RAW, 0)]) {
      assert.throws(() => native().mapRing(fd, 4096), { syscall: "mapRing" });
      native().close(fd);
    }
    const fd = socketWithRing();
    assert.throws(() => native().mapRing(fd, RING_BYTES / 2), { code: "EINVAL" });
    native().close(fd);
    assert.equal(socketCount(), 0);
  });
});
