/**
 * Calls the addon's functions in any order with any arguments: right ones, nearly right ones and wrong ones. The
 * invariant: it answers, throws an Error with a code, or calls back; it never crashes the process. Run it in a
 * network namespace of its own, since what it sends goes anywhere:
 *
 *     unshare --user --map-root-user --net node --expose-gc fuzz/native-calls.ts SEED CALLS
 * @module
 */
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { type Events, type Native, native, type Watch } from "#linux/native.ts";
import { RING_BLOCK_BYTES, ringRequest } from "#linux/packet-ring-descriptor.ts";
import {
  AF_PACKET,
  IFREQ_BYTES,
  PACKET_RX_RING,
  PACKET_VERSION,
  SIOCGIFFLAGS,
  SIOCGIFMTU,
  SIOCSIFFLAGS,
  SIOCSIFMTU,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_PACKET,
  TPACKET_V3,
  TUNSETIFF,
} from "#linux/socket-constants.ts";

const seed = Number(process.argv[2] ?? Date.now() % 1e9);
const callCount = Number(process.argv[3] ?? 20_000);

type Kind =
  | "fd"
  | "number"
  | "bytes"
  | "words"
  | "parts"
  | "watch"
  | "ring"
  | "events"
  | "command"
  | "attribute"
  | "program"
  | "request"
  | "interface"
  | "callback"
  | "text"
  | "anything";

/** Left out are close, setns and what gives up privileges: they take away what the process itself needs. */
const SIGNATURES: Partial<Record<keyof Native, readonly Kind[]>> = {
  socket: ["number", "number", "number"],
  bind: ["fd", "bytes"],
  connect: ["fd", "bytes"],
  listen: ["fd", "number"],
  accept: ["fd", "number"],
  setsockopt: ["fd", "number", "number", "bytes"],
  getsockopt: ["fd", "number", "number", "bytes"],
  getsockname: ["fd"],
  getpeername: ["fd"],
  send: ["fd", "bytes", "number", "bytes"],
  receive: ["fd", "bytes", "number", "bytes", "bytes", "words"],
  poll: ["fd", "number", "number"],
  timer: [],
  setTimer: ["fd", "number"],
  dup: ["fd"],
  interfaceIndex: ["text"],
  receiveBatch: ["fd", "bytes", "words", "number", "number", "number"],
  sendBatch: ["fd", "bytes", "words", "number", "number"],
  sendPieces: ["fd", "bytes", "words", "number", "number"],
  sendParts: ["fd", "parts", "words", "number", "number"],
  watch: ["fd", "number", "callback"],
  unwatch: ["watch"],
  watchFor: ["watch", "number"],
  keepAlive: ["watch", "number"],
  mapRing: ["fd", "number"],
  unmapRing: ["ring"],
  attachFilter: ["fd", "program"],
  interfaceRequest: ["fd", "request", "interface"],
  readBatch: ["fd", "bytes", "words", "number"],
  writeBatch: ["fd", "bytes", "words", "number", "number"],
  bpf: ["command", "attribute", "bytes", "bytes", "bytes"],
  clockSeconds: ["number"],
  openEvents: ["fd"],
  readEvents: ["events", "bytes", "words"],
  closeEvents: ["events"],
  sendDescriptors: ["fd", "bytes", "words"],
  receiveDescriptors: ["fd", "bytes", "words"],
  lookUpUser: ["text", "words"],
};

const OPEN_COUNT_MAX = 60;
const NOT_OPEN = 999_999;
const own: number[] = [];
const watches: Watch[] = [];
/** Mapped ones, unmapped ones and one that nobody mapped. */
const rings: ArrayBuffer[] = [new ArrayBuffer(8)];
const events: Events[] = [];
const views: Uint8Array[] = [];
const system = native();

/** Arguments are drawn beforehand; which descriptor or watch an index means is seen when the call is made. */
class Reference {
  readonly kind: "fd" | "watch" | "ring" | "events";
  readonly index: number;
  constructor(kind: "fd" | "watch" | "ring" | "events", index: number) {
    this.kind = kind;
    this.index = index;
  }
  resolve(): unknown {
    const from: readonly unknown[] = { fd: own, watch: watches, ring: rings, events }[this.kind];
    return from.length === 0 ? NOT_OPEN : from[this.index % from.length];
  }
}

const addressOf = (
  family: number,
  lengths: { minLength: number; maxLength: number },
): fc.Arbitrary<Uint8Array> => fc.uint8Array(lengths).map((tail) => Uint8Array.of(family, 0, ...tail));

const byKind: Record<Kind, fc.Arbitrary<unknown>> = {
  fd: fc.nat({ max: 1000 }).map((index) => new Reference("fd", index)),
  watch: fc.nat({ max: 1000 }).map((index) => new Reference("watch", index)),
  ring: fc.nat({ max: 1000 }).map((index) => new Reference("ring", index)),
  events: fc.nat({ max: 1000 }).map((index) => new Reference("events", index)),
  command: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 10, 15, 18, 22, 24, 28, 29, 34, 99),
  attribute: fc.oneof(
    fc.uint32Array({ maxLength: 40 }).map(({ buffer }) => new Uint8Array(buffer)),
    // A map of one kind of the first few, and a question about a descriptor.
    fc
      .tuple(fc.nat({ max: 30 }), fc.nat({ max: 70_000 }), fc.nat({ max: 8 }))
      .map(([kind, bytes, count]) => new Uint8Array(Uint32Array.of(kind, 4, bytes, count, 0, 0).buffer)),
    fc
      .tuple(fc.nat({ max: 60 }), fc.nat({ max: 300 }))
      .map(([fd, bytes]) => new Uint8Array(Uint32Array.of(fd, bytes, 0, 0, 0, 0, 0, 0).buffer)),
  ),
  program: fc
    .tuple(fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { maxLength: 3 }), fc.nat({ max: 9 }))
    .map(([before, spare]) =>
      Uint8Array.of(...before.flatMap((one) => [...one]), 6, 0, 0, 0, spare, 0, 0, 0),
    ),
  request: fc.constantFrom(
    TUNSETIFF,
    SIOCGIFFLAGS,
    SIOCSIFFLAGS,
    SIOCGIFMTU,
    SIOCSIFMTU,
    0x8927,
    0x8912,
    0x8946,
  ),
  interface: fc.uint8Array({ maxLength: IFREQ_BYTES - 3 }).map((tail) => {
    const ifreq = new Uint8Array(IFREQ_BYTES);
    ifreq.set(Buffer.from("lo\0"));
    ifreq.set(tail, 3);
    return ifreq;
  }),
  number: fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.integer({ min: -2, max: 2 ** 31 }),
    fc.constantFrom(-(2 ** 31), 2 ** 53, Number.NaN, 0.5, -0),
  ),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(0, 4096, 70_000).map((length) => new Uint8Array(length)),
    addressOf(2, { minLength: 14, maxLength: 14 }),
    addressOf(1, { minLength: 0, maxLength: 100 }),
  ),
  words: fc.oneof(
    fc.array(fc.integer({ min: -1, max: 60 }), { maxLength: 30 }).map((list) => Int32Array.from(list)),
    fc.int32Array({ maxLength: 12 }),
  ),
  parts: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }),
  callback: fc.constantFrom(
    () => {},
    () => closeSome(),
  ),
  text: fc.constantFrom("lo", "root", "nobody", "nosuch", "", "x".repeat(300)),
  anything: fc.anything(),
};

function argument(kind: Kind): fc.Arbitrary<unknown> {
  const wrong = fc.constantFrom(...(Object.keys(byKind) as Kind[])).chain((other) => byKind[other]);
  return fc.oneof({ weight: 15, arbitrary: byKind[kind] }, { weight: 1, arbitrary: wrong });
}

const calls = fc
  .constantFrom(...(Object.keys(SIGNATURES) as (keyof Native)[]))
  .chain((name) =>
    fc.record({ name: fc.constant(name), args: fc.tuple(...(SIGNATURES[name] ?? []).map(argument)) }),
  );

/** What a callback does to its own watch and others, in the middle of a call from the loop. */
function closeSome(): void {
  for (const watch of watches.splice(0, 3)) system.unwatch(watch);
}

/** Makes a Unix socket's path an abstract name, so that bind(2) leaves no file anywhere (unix(7)). */
function keepOffDisk(bytes: Uint8Array): void {
  if (bytes.length > 2) bytes[2] = (bytes[0] ?? 0) + (bytes[1] ?? 0) === 1 ? 0 : (bytes[2] ?? 0);
}

let ringDescriptor = NOT_OPEN;

/** A packet socket on every interface, with a ring that can be mapped. */
function openRing(): void {
  const fd = system.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0x0300);
  system.setsockopt(fd, SOL_PACKET, PACKET_VERSION, Uint8Array.of(TPACKET_V3, 0, 0, 0));
  system.setsockopt(fd, SOL_PACKET, PACKET_RX_RING, ringRequest(2 * RING_BLOCK_BYTES, 1));
  own.push(fd);
  ringDescriptor = fd;
}

/** A ring of events; without the power to make one there is none (-EPERM). */
function openEventRing(): void {
  const attribute = new Uint8Array(Uint32Array.of(27, 0, 0, 4096, 0, 0).buffer);
  const fd = system.bpf(0, attribute);
  if (fd >= 0) own.push(fd);
}

/** Uses the views of every ring, which must be harmless in whatever state it is. */
function useRings(): void {
  for (const view of views) {
    const last = view.length - 1;
    view[last] = (view[0] ?? 0) + 1;
  }
  if (rings.length < OPEN_COUNT_MAX) return;
  rings.splice(1, OPEN_COUNT_MAX / 2);
  views.splice(0, OPEN_COUNT_MAX / 3);
}

function prepare(name: keyof Native, args: readonly unknown[]): unknown[] {
  const given = args.map((arg) => (arg instanceof Reference ? arg.resolve() : arg));
  // Sockets must not wait, and low descriptors may be Node's own.
  if (name === "socket") return [1 + Number(given[0] === 0), 0x801 + (Number(given[1]) & 1), 0];
  const [first] = given;
  if (typeof first === "number" && first >= 0 && first < 1000 && !own.includes(first)) given[0] = NOT_OPEN;
  // Hardly any descriptor has a ring, and hardly any length is the ring's; the ring takes the descriptor along.
  if (name === "mapRing" && given[0] !== NOT_OPEN && own.includes(ringDescriptor)) {
    given[0] = system.dup(ringDescriptor);
    given[1] = 2 * RING_BLOCK_BYTES;
  }
  for (const bytes of given) if (bytes instanceof Uint8Array) keepOffDisk(bytes);
  if (name === "poll" && typeof given[2] === "number") given[2] = Math.min(given[2], 1);
  return given;
}

function keep(name: keyof Native, result: unknown): void {
  if (name === "watch") watches.push(result as Watch);
  if (name === "openEvents") events.push(result as Events);
  if (events.length > OPEN_COUNT_MAX) events.splice(0, OPEN_COUNT_MAX / 2);
  if (name === "mapRing") {
    rings.push(result as ArrayBuffer);
    views.push(new Uint8Array(result as ArrayBuffer));
  }
  // What bpf(2) answers with 0 has made nothing.
  const least = name === "bpf" ? 3 : 0;
  const isDescriptor =
    ["socket", "accept", "timer", "dup", "bpf"].includes(name) &&
    typeof result === "number" &&
    result >= least;
  if (isDescriptor) own.push(result);
  if (own.length > OPEN_COUNT_MAX) system.close(own.shift() ?? NOT_OPEN);
  if (watches.length > OPEN_COUNT_MAX) closeSome();
}

const counts = { answered: 0, refused: 0 };
process.stdout.write(`seed ${seed}: `);
for (const [index, { name, args }] of fc.sample(calls, { seed, numRuns: callCount }).entries()) {
  try {
    const given = prepare(name, args);
    keep(name, (system[name] as (...values: unknown[]) => unknown)(...given));
    counts.answered++;
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    counts.refused++;
  }
  if (index % 50 === 0) await turn();
  if (index % 100 === 0) useRings();
  if (index % 200 === 0) openRing();
  if (index % 200 === 100) openEventRing();
  if (index % 5000 === 0) globalThis.gc?.();
}
for (const watch of watches) system.unwatch(watch);
process.stdout.write(`${counts.answered} answered, ${counts.refused} refused\n`);
