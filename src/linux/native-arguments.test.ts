import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  NATIVE_BATCH_COUNT_MAX,
  type Native,
  native,
  nativeProblem,
  PART_COUNT_MAX,
  PASSED_COUNT_MAX,
  READABLE,
  RECEIVE_WORDS,
  SEND_WORDS,
} from "./native.ts";
import { AF_INET, IFREQ_BYTES, SIOCGIFMTU, SOCK_DGRAM } from "./socket-constants.ts";

describe("the addon's arguments", { skip: nativeProblem() ?? false }, () => {
  /** A call of each function that gets past its checks as far as types and ranges go. */
  const fine: Record<keyof Native, unknown[]> = {
    socket: [AF_INET, SOCK_DGRAM, 0],
    bind: [999_999, new Uint8Array(16)],
    connect: [999_999, new Uint8Array(16)],
    listen: [999_999, 1],
    accept: [999_999, 0],
    setsockopt: [999_999, 1, 1, new Uint8Array(4)],
    getsockopt: [999_999, 1, 1, new Uint8Array(4)],
    getsockname: [999_999],
    getpeername: [999_999],
    send: [999_999, new Uint8Array(1), 0],
    receive: [999_999, new Uint8Array(1), 0],
    poll: [999_999, 1, 0],
    timer: [],
    setTimer: [999_999, 1],
    dup: [999_999],
    close: [999_999],
    interfaceIndex: ["lo"],
    receiveBatch: [999_999, new Uint8Array(64), new Int32Array(8), 16, 0, 0],
    sendBatch: [999_999, new Uint8Array(64), new Int32Array(12), 0, 1],
    sendPieces: [999_999, new Uint8Array(64), Int32Array.of(0, 8, 8, 8), 0, 2],
    sendParts: [999_999, [new Uint8Array(8)], Int32Array.of(0, 1, -1, -1), 0, 1],
    watch: [999_999, READABLE, () => {}],
    unwatch: [{}],
    watchFor: [{}, 0],
    keepAlive: [{}, 0],
    mapRing: [999_999, 4096],
    unmapRing: [{}],
    attachFilter: [999_999, new Uint8Array(8)],
    interfaceRequest: [999_999, SIOCGIFMTU, new Uint8Array(IFREQ_BYTES)],
    readBatch: [999_999, new Uint8Array(64), new Int32Array(4), 16],
    writeBatch: [999_999, new Uint8Array(64), Int32Array.of(0, 8, 8, 8), 0, 2],
    bpf: [0, new Uint8Array(72)],
    clockSeconds: [0],
    openEvents: [999_999],
    readEvents: [{}, new Uint8Array(64), new Int32Array(2)],
    closeEvents: [{}],
    sendDescriptors: [999_999, new Uint8Array(1), new Int32Array(1)],
    receiveDescriptors: [999_999, new Uint8Array(1), new Int32Array(1)],
    setNoNewPrivileges: [],
    dropBoundingSet: [0],
    keepCapabilities: [],
    limitCapabilities: [0, 0],
    lookUpUser: ["root", new Int32Array(2)],
    setns: [999_999, 0],
  };

  const wrong: unknown[] = [
    undefined,
    null,
    true,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1.5,
    2 ** 31,
    -(2 ** 53),
    1n,
    "",
    "x".repeat(5000),
    "nul\0inside",
    Symbol("s"),
    {},
    [],
    () => {},
    class {},
    new Uint16Array(4),
    new Float64Array(4),
    new DataView(new ArrayBuffer(8)),
    new ArrayBuffer(8),
    new Proxy({}, {}),
    /x/,
  ];

  function call(name: keyof Native, args: unknown[]): unknown {
    return (native()[name] as (...args: unknown[]) => unknown)(...args);
  }

  it("covers every function of the addon", () => {
    assert.deepEqual(Object.keys(native()).sort(), Object.keys(fine).sort());
  });

  for (const [key, args] of Object.entries(fine)) {
    const name = key as keyof Native;
    if (args.length > 0) {
      it(`${name}() refuses too few arguments`, () => {
        assert.throws(() => call(name, args.slice(0, -1)), {
          name: "TypeError",
          code: "ERR_INVALID_ARG_TYPE",
        });
      });
    }
    it(`${name}() refuses too many arguments`, () => {
      assert.throws(() => call(name, [...args, ...args, 1, 2, 3, 4, 5, 6, 7, 8, 9]), TypeError);
    });
    for (const [place, right] of args.entries()) {
      it(`${name}() refuses or survives every wrong value as argument ${place}`, () => {
        for (const value of wrong) {
          if (typeof value === typeof right && typeof value !== "object") continue;
          const changed = args.with(place, value);
          assert.throws(
            () => call(name, changed),
            (error) => error instanceof TypeError || error instanceof RangeError,
            `${name}(…${String(typeof value)}…) at ${place}`,
          );
        }
      });
    }
  }

  const outOfRange: [keyof Native, unknown[]][] = [
    ["bind", [1, new Uint8Array(1)]],
    ["bind", [1, new Uint8Array(129)]],
    ["close", [-1]],
    ["close", [2 ** 31]],
    ["poll", [1, 1, -1]],
    ["poll", [1, 1, 60_001]],
    ["poll", [1, 2 ** 15, 0]],
    ["setTimer", [1, -1]],
    ["setTimer", [1, 3_600_000_001]],
    ["setTimer", [1, 0.5]],
    ["setsockopt", [1, 1, 1, new Uint8Array(65_537)]],
    ["getsockopt", [1, 1, 1, new Uint8Array(65_537)]],
    ["interfaceIndex", ["sixteen-bytes-xx"]],
    ["receiveBatch", [1, new Uint8Array(15), new Int32Array(8), 16, 0, 0]],
    ["receiveBatch", [1, new Uint8Array(64), new Int32Array(RECEIVE_WORDS - 1), 16, 0, 0]],
    ["receiveBatch", [1, new Uint8Array(64), new Int32Array(8), 0, 0, 0]],
    ["receiveBatch", [1, new Uint8Array(64), new Int32Array(8), 16, 129, 0]],
    ["receiveBatch", [1, new Uint8Array(64), new Int32Array(8), 16, 0, 4097]],
    ["sendBatch", [1, new Uint8Array(64), new Int32Array(SEND_WORDS), 0, 2]],
    ["sendBatch", [1, new Uint8Array(64), new Int32Array(SEND_WORDS), 1, 1]],
    ["sendBatch", [1, new Uint8Array(64), new Int32Array(SEND_WORDS), 2 ** 31 - 1, 1]],
    ["sendBatch", [1, new Uint8Array(64), new Int32Array(6000), 0, NATIVE_BATCH_COUNT_MAX + 1]],
    ["sendBatch", [1, new Uint8Array(64), Int32Array.of(-1, 1, 0, 0, 0, 0), 0, 1]],
    ["sendBatch", [1, new Uint8Array(64), Int32Array.of(0, -1, 0, 0, 0, 0), 0, 1]],
    ["sendBatch", [1, new Uint8Array(64), Int32Array.of(64, 1, 0, 0, 0, 0), 0, 1]],
    ["sendBatch", [1, new Uint8Array(64), Int32Array.of(0, 1, 60, 5, 0, 0), 0, 1]],
    ["sendBatch", [1, new Uint8Array(64), Int32Array.of(0, 1, 0, 0, 2 ** 31 - 1, 2 ** 31 - 1), 0, 1]],
    ["sendPieces", [1, new Uint8Array(64), Int32Array.of(0, 8), 0, 2]],
    ["sendPieces", [1, new Uint8Array(64), Int32Array.of(0, 8), 1, 1]],
    ["sendPieces", [1, new Uint8Array(64), Int32Array.of(-1, 8), 0, 1]],
    ["sendPieces", [1, new Uint8Array(64), Int32Array.of(60, 5), 0, 1]],
    ["sendParts", [1, [new Uint8Array(8)], Int32Array.of(0, 1, -1, -1), 0, 2]],
    ["sendParts", [1, [new Uint8Array(8)], Int32Array.of(0, 2, -1, -1), 0, 1]],
    ["sendParts", [1, [new Uint8Array(8)], Int32Array.of(-1, 1, -1, -1), 0, 1]],
    ["sendParts", [1, [new Uint8Array(8)], Int32Array.of(2 ** 31 - 1, 2 ** 31 - 1, -1, -1), 0, 1]],
    ["sendParts", [1, [new Uint8Array(8)], Int32Array.of(0, 1, 1, -1), 0, 1]],
    ["sendParts", [1, [new Uint8Array(8)], Int32Array.of(0, 1, -1, -2), 0, 1]],
    ["sendParts", [1, Array(PART_COUNT_MAX + 1).fill(new Uint8Array(1)), Int32Array.of(0, 1, -1, -1), 0, 1]],
    ["mapRing", [1, 0]],
    ["mapRing", [1, 2 ** 30 + 1]],
    ["attachFilter", [1, new Uint8Array(0)]],
    ["attachFilter", [1, new Uint8Array(12)]],
    ["attachFilter", [1, new Uint8Array(4097 * 8)]],
    ["interfaceRequest", [1, 0x8912, new Uint8Array(IFREQ_BYTES)]], // SIOCGIFCONF writes where a pointer says
    ["interfaceRequest", [1, SIOCGIFMTU, new Uint8Array(IFREQ_BYTES - 1)]],
    ["readBatch", [1, new Uint8Array(15), new Int32Array(4), 16]],
    ["readBatch", [1, new Uint8Array(64), new Int32Array(0), 16]],
    ["readBatch", [1, new Uint8Array(64), new Int32Array(4), 0]],
    ["writeBatch", [1, new Uint8Array(64), Int32Array.of(0, 8), 0, 2]],
    ["writeBatch", [1, new Uint8Array(64), Int32Array.of(0, 8), 1, 1]],
    ["writeBatch", [1, new Uint8Array(64), Int32Array.of(-1, 8), 0, 1]],
    ["writeBatch", [1, new Uint8Array(64), Int32Array.of(60, 5), 0, 1]],
    ["writeBatch", [1, new Uint8Array(64), Int32Array.of(2 ** 31 - 1, 2 ** 31 - 1), 0, 1]],
    ["writeBatch", [1, new Uint8Array(64), new Int32Array(6000), 0, NATIVE_BATCH_COUNT_MAX + 1]],
    ["watch", [0, 0, () => {}]],
    ["watch", [0, 4, () => {}]],
    ["clockSeconds", [16]],
    ["bpf", [8, new Uint8Array(72)]], // PROG_ATTACH, which is not made here
    ["bpf", [0, new Uint8Array(0)]],
    ["bpf", [0, new Uint8Array(6)]],
    ["bpf", [0, new Uint8Array(260)]],
    ["bpf", [0, new Uint8Array(72), new Uint8Array(1)]],
    ["bpf", [1, new Uint8Array(12), new Uint8Array(1)]],
    ["bpf", [1, new Uint8Array(32), new Uint8Array(2 ** 26 + 1)]],
    ["sendDescriptors", [1, new Uint8Array(0), new Int32Array(1)]],
    ["sendDescriptors", [1, new Uint8Array(1), new Int32Array(0)]],
    ["sendDescriptors", [1, new Uint8Array(1), new Int32Array(PASSED_COUNT_MAX + 1)]],
    ["receiveDescriptors", [1, new Uint8Array(0), new Int32Array(1)]],
    ["lookUpUser", ["root", new Int32Array(1)]],
    ["lookUpUser", [-1, new Int32Array(2)]],
  ];
  for (const [name, args] of outOfRange) {
    it(`${name}() refuses what is out of range: ${args.map((arg) => describeArgument(arg)).join(", ")}`, () => {
      assert.throws(() => call(name, args), { name: "RangeError", code: "ERR_OUT_OF_RANGE" });
    });
  }

  for (const [key, args] of Object.entries(fine)) {
    if (args[0] !== 999_999) continue;
    it(`${key}() of a descriptor that is not open is EBADF`, () => {
      const isBatch = /Batch$|Parts$|Pieces$/.test(key);
      if (isBatch) assert.equal(call(key as keyof Native, args), -9);
      else assert.throws(() => call(key as keyof Native, args), { code: "EBADF", errno: -9, syscall: key });
    });
  }

  it("a detached buffer counts as empty", () => {
    const bytes = new Uint8Array(100);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    assert.throws(() => native().receiveBatch(1, bytes, new Int32Array(4), 10, 0, 0), RangeError);
    assert.throws(() => native().sendDescriptors(1, bytes, new Int32Array(1)), /no byte to send/);
  });
});

function describeArgument(argument: unknown): string {
  if (ArrayBuffer.isView(argument)) return `${argument.constructor.name}(${argument.byteLength} bytes)`;
  return typeof argument === "function" ? "a function" : String(argument);
}
