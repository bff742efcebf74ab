import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { ip } from "#base/ip-address.ts";
import {
  isErrnoError,
  NATIVE_BATCH_COUNT_MAX,
  native,
  nativeProblem,
  READABLE,
  RECEIVE_WORDS,
  SEND_WORDS,
  WRITABLE,
} from "./native.ts";
import { decodeSockaddrIn, encodeInt, encodeSockaddrIn, encodeSockaddrUn } from "./socket-address.ts";
import {
  AF_INET,
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_TRUNC,
  SO_PEERCRED,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./socket-constants.ts";

const LOOPBACK = ip("127.0.0.1");

/** A UDP socket on a free port of the loopback interface. */
function udp(): { fd: number; address: Uint8Array } {
  const fd = native().socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  native().bind(fd, encodeSockaddrIn(LOOPBACK, 0));
  return { fd, address: native().getsockname(fd) };
}

const wakeUp = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

describe("the addon's sockets", { skip: nativeProblem() ?? false }, () => {
  it("close() twice is EBADF the second time", () => {
    const { fd } = udp();
    native().close(fd);
    assert.throws(() => native().close(fd), { code: "EBADF", syscall: "close" });
  });

  it("dup() gives a descriptor that lives on when the first is closed", () => {
    const { fd, address } = udp();
    const copy = native().dup(fd);
    native().close(fd);
    assert.deepEqual(native().getsockname(copy), address);
    native().close(copy);
  });

  it("bind() to a port that is taken is EADDRINUSE, as an ErrnoError", () => {
    const first = udp();
    const fd = native().socket(AF_INET, SOCK_DGRAM, 0);
    assert.throws(
      () => native().bind(fd, first.address),
      (error) =>
        isErrnoError(error) && error.code === "EADDRINUSE" && error.errno === -98 && error.syscall === "bind",
    );
    native().close(fd);
    native().close(first.fd);
  });

  it("send() and receive() carry a datagram, its sender and the fact that it was cut", () => {
    const receiver = udp();
    const sender = udp();
    native().send(sender.fd, Buffer.from("hello"), 0, receiver.address);
    const bytes = new Uint8Array(3);
    const from = new Uint8Array(16);
    const lengths = new Int32Array(3);
    assert.equal(native().receive(receiver.fd, bytes, 0, from, undefined, lengths), 3);
    assert.equal(Buffer.from(bytes).toString(), "hel");
    assert.deepEqual(from, sender.address);
    assert.deepEqual([...lengths], [16, 0, MSG_TRUNC]);
    assert.equal(native().receive(receiver.fd, bytes, 0), -1);
    for (const { fd } of [receiver, sender]) native().close(fd);
  });

  it("listen(), connect(), accept() and getpeername() join two stream sockets", () => {
    const listener = native().socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    native().bind(listener, encodeSockaddrIn(LOOPBACK, 0));
    native().listen(listener, 1);
    assert.equal(native().accept(listener, 0), -1);
    const client = native().socket(AF_INET, SOCK_STREAM, 0);
    native().connect(client, native().getsockname(listener));
    const server = native().accept(listener, SOCK_NONBLOCK);
    assert.deepEqual(native().getpeername(server), native().getsockname(client));
    assert.equal(String(decodeSockaddrIn(native().getpeername(server)).address), "127.0.0.1");
    for (const fd of [listener, client, server]) native().close(fd);
  });

  it("getsockopt() gives what setsockopt() set, doubled by the kernel (socket(7))", () => {
    const { fd } = udp();
    native().setsockopt(fd, SOL_SOCKET, SO_RCVBUF, encodeInt(8192));
    const value = new Int32Array(1);
    assert.equal(native().getsockopt(fd, SOL_SOCKET, SO_RCVBUF, new Uint8Array(value.buffer)), 4);
    assert.deepEqual([...value], [16384]);
    native().close(fd);
  });

  it("poll() tells what is ready, and 0 after its time", () => {
    const { fd, address } = udp();
    const started = Date.now();
    assert.equal(native().poll(fd, 1, 30), 0);
    assert.ok(Date.now() - started >= 25);
    native().send(fd, new Uint8Array(1), 0, address);
    assert.equal(native().poll(fd, 1 | 4, 1000), 1 | 4);
    native().close(fd);
  });

  it("setTimer() makes a timer readable once its time is over, and 0 stops it", () => {
    const fd = native().timer();
    native().setTimer(fd, 20_000);
    assert.equal(native().poll(fd, 1, 5), 0);
    assert.equal(native().poll(fd, 1, 1000), 1);
    native().setTimer(fd, 1);
    native().setTimer(fd, 0);
    assert.equal(native().poll(fd, 1, 5), 0);
    native().close(fd);
  });

  it("interfaceIndex() knows lo and refuses what is not there", () => {
    assert.equal(native().interfaceIndex("lo"), 1);
    assert.throws(() => native().interfaceIndex("nosuch0"), { code: "ENODEV" });
  });
});

describe("the addon's batches", { skip: nativeProblem() ?? false }, () => {
  it("sendBatch() and receiveBatch() carry many datagrams, each in its slot with its sender", () => {
    const receiver = udp();
    const sender = udp();
    const texts = ["one", "", "three", "this one is cut"];
    const slab = new Uint8Array(1024);
    const table = new Int32Array(texts.length * SEND_WORDS);
    slab.set(receiver.address);
    for (const [index, text] of texts.entries()) {
      const offset = 32 * (index + 1);
      slab.set(Buffer.from(text), offset);
      table.set([offset, text.length, 0, 16, 0, 0], index * SEND_WORDS);
    }
    assert.equal(native().sendBatch(sender.fd, slab, table, 0, texts.length), texts.length);

    const stride = 8 + 16;
    const into = new Uint8Array(10 * stride);
    const rows = new Int32Array(10 * RECEIVE_WORDS);
    assert.equal(native().receiveBatch(receiver.fd, into, rows, 8, 16, 0), texts.length);
    const seen = texts.map((_, index) => {
      const start = index * stride;
      const [length = 0, addressLength, , flags] = rows.subarray(index * RECEIVE_WORDS);
      assert.deepEqual(into.slice(start + 8, start + stride), sender.address);
      return [Buffer.from(into.subarray(start, start + length)).toString(), addressLength, flags];
    });
    assert.deepEqual(seen, [
      ["one", 16, 0],
      ["", 16, 0],
      ["three", 16, 0],
      ["this one", 16, MSG_TRUNC],
    ]);
    assert.equal(native().receiveBatch(receiver.fd, into, rows, 8, 16, 0), 0);
    for (const { fd } of [receiver, sender]) native().close(fd);
  });

  it("sendPieces() makes one message of pieces of a slab, in the order of the rows", () => {
    const receiver = udp();
    const sender = udp();
    native().connect(sender.fd, receiver.address);
    const slab = Uint8Array.from(Buffer.from("one two three"));
    const table = Int32Array.of(0, 0, 8, 5, 3, 1, 0, 3);
    assert.equal(native().sendPieces(sender.fd, slab, table, 1, 3), 9);
    const buffer = new Uint8Array(16);
    assert.equal(native().receive(receiver.fd, buffer, 0), 9);
    assert.equal(Buffer.from(buffer.subarray(0, 9)).toString(), "three one");
    for (const { fd } of [receiver, sender]) native().close(fd);
  });

  it("sendParts() gathers each datagram from parts, also from none and from one part twice", () => {
    const receiver = udp();
    const sender = udp();
    const parts = [Buffer.from("ab"), Buffer.from("cde"), new Uint8Array(), receiver.address].map((part) =>
      Uint8Array.from(part),
    );
    const table = Int32Array.of(0, 2, 3, -1, 1, 2, 3, -1, 2, 0, 3, -1);
    assert.equal(native().sendParts(sender.fd, parts, table, 0, 3), 3);
    const buffer = new Uint8Array(16);
    for (const text of ["abcde", "cde", ""]) {
      const lengthBytes = native().receive(receiver.fd, buffer, 0);
      assert.equal(Buffer.from(buffer.subarray(0, lengthBytes)).toString(), text);
    }
    for (const { fd } of [receiver, sender]) native().close(fd);
  });

  it("sendBatch() stops before the message the kernel refuses, and gives its errno when that is the first", () => {
    const { fd, address } = udp();
    const slab = new Uint8Array(64);
    slab.set(address);
    slab.set(encodeSockaddrIn(ip("127.0.0.1"), 0), 16); // port 0 is refused
    const good = [32, 1, 0, 16, 0, 0];
    const bad = [32, 1, 16, 16, 0, 0];
    const table = Int32Array.from([...good, ...bad, ...good]);
    assert.equal(native().sendBatch(fd, slab, table, 0, 3), 1);
    assert.equal(native().sendBatch(fd, slab, table, 1, 2), -22);
    assert.equal(native().sendBatch(fd, slab, table, 2, 1), 1);
    native().close(fd);
  });

  it(`receiveBatch() takes at most ${NATIVE_BATCH_COUNT_MAX} messages, however large the slab is`, () => {
    const { fd, address } = udp();
    native().setsockopt(fd, SOL_SOCKET, SO_RCVBUF, encodeInt(1 << 20));
    const count = NATIVE_BATCH_COUNT_MAX + 20;
    for (let sent = 0; sent < count; sent++) native().send(fd, new Uint8Array(1), 0, address);
    const slab = new Uint8Array(1000);
    const table = new Int32Array(1000 * RECEIVE_WORDS);
    assert.equal(native().receiveBatch(fd, slab, table, 1, 0, 0), NATIVE_BATCH_COUNT_MAX);
    assert.equal(native().receiveBatch(fd, slab, table, 1, 0, 0), 20);
    native().close(fd);
  });
});

describe("the addon's watches", { skip: nativeProblem() ?? false }, () => {
  it("watch() calls back when there is something to read, until it was read", async () => {
    const { fd, address } = udp();
    const seen: number[] = [];
    const watch = native().watch(fd, READABLE, (events) => {
      seen.push(events);
      native().receive(fd, new Uint8Array(8), MSG_DONTWAIT);
    });
    await wakeUp();
    assert.deepEqual(seen, []);
    native().send(fd, new Uint8Array(1), 0, address);
    await wakeUp();
    assert.deepEqual(seen, [READABLE]);
    native().unwatch(watch);
    native().close(fd);
  });

  it("unwatch() inside the callback, again, and watchFor() and keepAlive() afterwards are harmless", async () => {
    const { fd, address } = udp();
    let callCount = 0;
    const watch = native().watch(fd, READABLE, () => {
      callCount++;
      native().unwatch(watch);
      native().unwatch(watch);
      native().watchFor(watch, READABLE);
      native().keepAlive(watch, 1);
    });
    native().send(fd, new Uint8Array(1), 0, address);
    await wakeUp();
    assert.equal(callCount, 1);
    native().unwatch(watch);
    native().close(fd);
  });

  it("close() of the watched descriptor is harmless, before the loop has looked and afterwards", async () => {
    for (const wait of [false, true]) {
      const { fd } = udp();
      const watch = native().watch(fd, READABLE | WRITABLE, () => {});
      if (wait) await wakeUp();
      native().close(fd);
      const reused = udp();
      await wakeUp();
      native().unwatch(watch);
      native().close(reused.fd);
    }
  });

  it("watchFor() pauses with 0 and goes on where it stopped", async () => {
    const { fd, address } = udp();
    const seen: number[] = [];
    const watch = native().watch(fd, READABLE, () => seen.push(native().receive(fd, new Uint8Array(8), 0)));
    native().watchFor(watch, 0);
    native().send(fd, new Uint8Array(5), 0, address);
    await wakeUp();
    assert.deepEqual(seen, []);
    native().watchFor(watch, READABLE);
    await wakeUp();
    assert.deepEqual(seen, [5]);
    native().unwatch(watch);
    native().close(fd);
  });

  it("watch() gives the socket's error as -errno and goes on afterwards", async () => {
    const gone = udp();
    native().close(gone.fd);
    const { fd, address } = udp();
    native().connect(fd, gone.address);
    const seen: number[] = [];
    const watch = native().watch(fd, READABLE, (events) => {
      seen.push(events);
      if (events > 0) native().receive(fd, new Uint8Array(8), 0);
    });
    native().send(fd, new Uint8Array(1), 0);
    await wakeUp();
    assert.deepEqual(seen, [-111]); // ECONNREFUSED, from the ICMP error
    const other = native().socket(AF_INET, SOCK_DGRAM, 0);
    native().bind(other, gone.address);
    native().send(other, new Uint8Array(1), 0, address);
    await wakeUp();
    assert.deepEqual(seen, [-111, READABLE]);
    native().unwatch(watch);
    for (const open of [fd, other]) native().close(open);
  });

  it("watch() refuses a descriptor that cannot be polled, and an object that is no watch is refused", () => {
    const folder = native().socket(AF_UNIX, SOCK_DGRAM, 0);
    native().close(folder);
    assert.throws(() => native().watch(folder, READABLE, () => {}), { code: "EBADF" });
    for (const impostor of [{}, [], () => {}, Object.create(null)]) {
      assert.throws(() => native().unwatch(impostor as never), TypeError);
    }
  });
});

describe("the addon's descriptor passing", { skip: nativeProblem() ?? false }, () => {
  let folder: string;
  let left: number;
  let right: number;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "metanet-native-"));
    const listener = native().socket(AF_UNIX, SOCK_SEQPACKET, 0);
    native().bind(listener, encodeSockaddrUn(join(folder, "s")));
    native().listen(listener, 1);
    left = native().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
    native().connect(left, encodeSockaddrUn(join(folder, "s")));
    right = native().accept(listener, SOCK_NONBLOCK);
    native().close(listener);
  });
  after(() => {
    for (const fd of [left, right]) native().close(fd);
    rmSync(folder, { recursive: true });
  });

  it("sendDescriptors() and receiveDescriptors() hand over open sockets", () => {
    const { fd, address } = udp();
    assert.equal(native().receiveDescriptors(right, new Uint8Array(8), new Int32Array(4)), -1);
    native().sendDescriptors(left, Buffer.from("take"), Int32Array.of(fd, fd));
    native().close(fd);
    const bytes = new Uint8Array(8);
    const places = new Int32Array(4);
    assert.equal(native().receiveDescriptors(right, bytes, places), 4);
    assert.equal(Buffer.from(bytes.subarray(0, 4)).toString(), "take");
    assert.deepEqual([...places.subarray(2)], [-1, -1]);
    for (const received of places.subarray(0, 2)) {
      assert.deepEqual(native().getsockname(received), address);
      native().close(received);
    }
  });

  it("receiveDescriptors() refuses more than it was given room for, and keeps none open", () => {
    const { fd } = udp();
    native().sendDescriptors(left, new Uint8Array(1), Int32Array.of(fd, fd, fd));
    const next = native().dup(fd);
    native().close(next);
    assert.throws(() => native().receiveDescriptors(right, new Uint8Array(1), new Int32Array(2)), {
      code: "EMSGSIZE",
    });
    const same = native().dup(fd);
    assert.equal(same, next, "a descriptor was left open");
    for (const open of [same, fd]) native().close(open);
  });

  it("receive() drops descriptors that come along unasked", () => {
    const { fd } = udp();
    native().sendDescriptors(left, new Uint8Array(1), Int32Array.of(fd));
    const next = native().dup(fd);
    native().close(next);
    assert.equal(native().receive(right, new Uint8Array(1), 0), 1);
    assert.equal(native().dup(fd), next);
    for (const open of [next, fd]) native().close(open);
  });

  it("getsockopt() with SO_PEERCRED tells who is at the other end", () => {
    const credentials = new Int32Array(3);
    native().getsockopt(right, SOL_SOCKET, SO_PEERCRED, new Uint8Array(credentials.buffer));
    assert.deepEqual([...credentials], [process.pid, process.getuid?.(), process.getgid?.()]);
  });
});
