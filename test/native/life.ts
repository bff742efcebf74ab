/**
 * Programs for tests of the addon's lifetimes, each in a process of its own because its failure is a crash:
 *
 *     node --expose-gc life.ts NAME
 * @module
 */
import { Worker } from "node:worker_threads";
import { ip } from "#base/ip-address.ts";
import { native, READABLE, RECEIVE_WORDS, SEND_WORDS } from "#linux/native.ts";
import { encodeSockaddrIn } from "#linux/socket-address.ts";
import { AF_INET, SOCK_DGRAM, SOCK_NONBLOCK } from "#linux/socket-constants.ts";

function udp(): { fd: number; address: Uint8Array } {
  const fd = native().socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  native().bind(fd, encodeSockaddrIn(ip("127.0.0.1"), 0));
  return { fd, address: native().getsockname(fd) };
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
const collect = (): void => globalThis.gc?.();
const say = (text: string): void => void process.stdout.write(text);

/** Memory in MiB after everything that can be collected is. */
async function settledMemory(): Promise<number> {
  for (let round = 0; round < 5; round++) {
    collect();
    await pause();
  }
  return process.memoryUsage().rss / 2 ** 20;
}

/** Says by how much the process has grown since the engine's own memory had found its size. */
async function grown(action: () => Promise<void>, warmUpCount = 1): Promise<void> {
  for (let round = 0; round < warmUpCount; round++) await action();
  const before = await settledMemory();
  for (let round = 0; round < 4; round++) await action();
  say(`grew ${Math.round((await settledMemory()) - before)} MiB`);
}

/** Short-lived objects make the engine enlarge its young generation step by step, up to here. */
const ERROR_WARM_UP_COUNT = 12;

const programs: Record<string, () => Promise<void>> = {
  /** Nobody holds the watch; it must neither be collected while open nor keep anything when closed. */
  async forgotten() {
    const { fd, address } = udp();
    let callCount = 0;
    (() => {
      const watch = native().watch(fd, READABLE, () => {
        callCount++;
        native().unwatch(watch);
      });
    })();
    for (let round = 0; round < 20; round++) {
      collect();
      await pause();
    }
    native().send(fd, new Uint8Array(1), 0, address);
    await pause();
    await settledMemory();
    say(`called ${callCount}`);
  },

  /** The callback's exception is the process's. */
  async throws() {
    const { fd, address } = udp();
    process.on("uncaughtException", (error) => {
      say(`uncaught ${error.message}`);
      process.exit(3);
    });
    native().watch(fd, READABLE, () => {
      throw new Error("from the callback");
    });
    native().send(fd, new Uint8Array(1), 0, address);
    await pause();
  },

  /** An open watch keeps the process; with keepAlive 0 it does not. */
  async unreferenced() {
    const { fd } = udp();
    native().keepAlive(
      native().watch(fd, READABLE, () => {}),
      0,
    );
    say("left");
  },

  /** Workers that end with open watches, by themselves and by force, in the middle of callbacks. */
  async workers() {
    for (let round = 0; round < 6; round++) {
      const worker = new Worker(new URL(import.meta.url), { argv: ["worker"] });
      await new Promise((resolve) => worker.once("message", resolve));
      if (round % 2 === 0) await worker.terminate();
      else await new Promise((resolve) => worker.once("exit", resolve).postMessage("end"));
    }
    say("alive");
  },

  async worker() {
    const { parentPort } = await import("node:worker_threads");
    const { fd, address } = udp();
    native().watch(fd, READABLE, () => {
      native().receive(fd, new Uint8Array(8), 0);
      native().send(fd, new Uint8Array(1), 0, address);
    });
    native().send(fd, new Uint8Array(1), 0, address);
    parentPort?.once("message", () => process.exit(0));
    parentPort?.postMessage("ready");
  },

  /** Ends with open watches, closed descriptors and all. */
  async abrupt() {
    const watches = Array.from({ length: 50 }, () => native().watch(udp().fd, READABLE, () => {}));
    native().unwatch(watches[0] as (typeof watches)[0]);
    say("bye");
    process.exit(0);
  },

  async manyWatches() {
    await grown(async () => {
      for (let count = 0; count < 5000; count++) {
        const { fd } = udp();
        const watch = native().watch(fd, READABLE, () => {});
        native().unwatch(watch);
        native().close(fd);
        if (count % 500 === 0) await pause();
      }
    });
  },

  async manyDatagrams() {
    const { fd, address } = udp();
    const slab = new Uint8Array(64 * 1500);
    const table = new Int32Array(64 * RECEIVE_WORDS);
    const outgoing = new Uint8Array(400);
    outgoing.set(address);
    const rows = new Int32Array(32 * SEND_WORDS);
    for (let row = 0; row < 32; row++) rows.set([16, 300, 0, 16, 0, 0], row * SEND_WORDS);
    let receivedCount = 0;
    const watch = native().watch(fd, READABLE, () => {
      receivedCount += native().receiveBatch(fd, slab, table, 1484, 16, 0);
    });
    await grown(async () => {
      for (let round = 0; round < 1000; round++) {
        native().sendBatch(fd, outgoing, rows, 0, 32);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    native().unwatch(watch);
    say(`, received ${receivedCount}`);
  },

  async manyErrors() {
    await grown(async () => {
      for (let count = 0; count < 50_000; count++) {
        try {
          native().bind(999_999, new Uint8Array(16));
        } catch {
          // Only its memory counts.
        }
      }
    }, ERROR_WARM_UP_COUNT);
  },
};

await programs[process.argv[2] ?? ""]?.();
