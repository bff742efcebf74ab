/**
 * Hostile and clumsy scripts for packet-faults.test.ts: each does its worst for a datagram that begins with `x`, and
 * accepts all others.
 * @module
 */
import { parentPort } from "node:worker_threads";
import { accept, type Context, later, type Packet, udp, type Verdict } from "metanet/script";

/** What makes a promise of an object. */
const THEN = "then";

/** Does its worst, or answers it. */
type Worst = (packet: Packet, context: Context) => unknown;

function hostile(worst: Worst): (packet: Packet, context: Context) => Verdict {
  return (packet, context) => {
    if (packet.find(udp)?.payload().text(0, 1) !== "x") return accept;
    const answer = worst(packet, context);
    return answer === undefined ? accept : (answer as Verdict);
  };
}

const refuse = (): never => {
  throw new Error("a trap");
};
const trap = (): object => new Proxy({}, { get: refuse, has: refuse, getPrototypeOf: refuse });
const raise = (thrown: unknown): never => {
  throw thrown;
};

export const throwsNull = hostile(() => raise(null));
export const throwsTrap = hostile(() => raise(trap()));
export const throwsUnreadable = hostile(() => raise({ toString: refuse }));
export const throwsError = hostile(() =>
  raise(Object.defineProperty(new Error("x"), "message", { get: refuse })),
);
export const answersTrap = hostile(() => trap());
export const answersThenTrap = hostile(() => Object.defineProperty({}, THEN, { get: refuse }));
export const answersThrowingThen = hostile(() => Object.defineProperty({}, THEN, { value: refuse }));
export const answersSymbol = hostile(() => Symbol("verdict"));
export const answersHeld = hostile(() => -1);

export const ends = hostile(() => process.exit(0));
export const aborts = hostile(() => process.abort());
export const kills = hostile(() => process.kill(process.pid, "SIGKILL"));
export const killsGroup = hostile(() => process.kill(0, "SIGKILL"));
export const rejects = hostile(() => void Promise.reject(new Error("nobody awaits this")));
export const throwsInTimer = hostile(() => void setTimeout(() => raise(trap()), 1));
export const unlistens = hostile(() => {
  process.removeAllListeners("uncaughtException").removeAllListeners("unhandledRejection");
  void Promise.reject(new Error("nobody listens"));
});
export const floods = hostile(() => {
  for (let count = 0; count < 20_000; count++) setInterval(() => undefined, 0);
});
export const recurses = hostile(function down(): number {
  return down() + 1;
});

export const patchesArray = hostile(() => {
  Array.prototype[Symbol.iterator] = refuse;
  Array.prototype.push = refuse;
});
export const patchesMap = hostile(() => {
  Map.prototype.get = refuse;
  Set.prototype.delete = refuse;
});
export const patchesNumber = hostile(() => {
  Object.assign(String.prototype, { slice: () => raise(1) });
  Object.assign(Object, { entries: () => raise(1) });
});
export const patchesPacket = hostile((packet) => {
  Object.assign(Object.getPrototypeOf(packet), { aim: refuse });
});
export const patchesTime = hostile(() => {
  Object.assign(globalThis, { setTimeout: refuse, setImmediate: refuse });
  performance.now = () => Number.NaN;
});

export const defers = hostile((_, context) => {
  for (let count = 0; count < 1_000_000; count++) context.defer(() => undefined);
});
export const sends = hostile((_, context) => {
  for (let count = 0; count < 100_000; count++) context.send(new Uint8Array(1400));
});
export const logs = hostile((_, context) => {
  const line = "L".repeat(100_000_000);
  for (let count = 0; count < 1000; count++) context.log(line);
});
export const counts = hostile((_, context) => {
  for (let count = 0; count < 100_000; count++) context.counter(`name ${count}`).add();
});
export const countsNothing = hostile((_, context) => context.counter("nothing").add(Number.NaN));
export const mapsNull = hostile((_, context) => context.map(null as unknown as string));
export const mapsHuge = hostile((_, context) => context.map("huge", { countMax: 1e12 }));
export const never = hostile(() => later(new Promise<Verdict>(() => undefined)));
export const asks = hostile(async (_, context) => {
  await context.bus.call("nobody:/x");
  return accept;
});

export const tells = hostile(() => {
  for (const nonsense of [
    7,
    null,
    { say: "map", request: null },
    { say: "faults", name: "case", faults: 7 },
  ]) {
    parentPort?.postMessage(nonsense);
  }
});
export const closes = hostile(() => parentPort?.close());
