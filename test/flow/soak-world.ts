/**
 * What every flood runs in: an engine, a witness (an honest flow that must be followed all the while), counts of what
 * the engine tells, and what memory is used once garbage has been collected.
 * @module
 */
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SeededRandom } from "#base/seeded-random.ts";
import { FlowEngine, type FlowEngineOptions } from "#flow/engine.ts";
import type { FlowMonitor } from "#flow/monitor.ts";
import { byteAt, Flag, SoakFrame } from "./soak-frame.ts";

/** 192.0.2.1 and 192.0.2.2: nobody else's. */
const WITNESS_CLIENT = 0xc000_0201;
const WITNESS_SERVER = 0xc000_0202;
const WITNESS_PORTS = [40_000, 443] as const;
/** Just below 2^32, so that it wraps. */
const WITNESS_SEQUENCE = 2 ** 32 - 100;
const WITNESS_BYTES = 16;

/** Frees what is not used any more and says how much is, in bytes; memory outside of the heap included. */
export function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // The second one frees what finalizers of the first have let go of.
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export class SoakWorld {
  readonly engine: FlowEngine;
  readonly frame = new SoakFrame();
  readonly random: SeededRandom;
  readonly errors: unknown[] = [];
  errorCount = 0;
  /** How often each event was told of, with its reason or limit: `connectionEnd evicted`. */
  readonly counts = new Map<string, number>();
  readonly #witness = new SoakFrame();
  #witnessSent = 0;
  #witnessRead = 0;
  readonly #witnessEnds: string[] = [];

  constructor(seed: number, options: Omit<FlowEngineOptions, "random">) {
    this.random = new SeededRandom(seed);
    this.engine = new FlowEngine({
      random: new SeededRandom(seed + 1),
      ...options,
      policy: { checksums: "trust", ...options.policy },
      onError: (_, error) => {
        this.errorCount++;
        if (this.errors.length < 10) this.errors.push(error);
      },
    });
    this.#watchWitness();
    this.#greet();
  }

  /** Counts what is told of flows that are not the witness. */
  count(monitor: FlowMonitor): void {
    monitor.on("bufferOverrun", "none", (_, { limit }) => this.#add(`bufferOverrun ${limit}`));
    monitor.on("connectionEnd", "none", (_, { reason }) => this.#add(`connectionEnd ${reason}`));
    monitor.on("gap", "none", () => this.#add("gap"));
    monitor.on("outOfWindow", "receiver", (_, { cause }) => this.#add(`outOfWindow ${cause}`));
    monitor.on("orphan", "none", () => this.#add("orphan"));
  }

  counted(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** The witness says a little more, and is answered. */
  witness(): void {
    const frame = this.#witness;
    frame.time = this.frame.time;
    frame.step = 0;
    const sequence = (WITNESS_SEQUENCE + 1 + this.#witnessSent) >>> 0;
    this.#fromClient({ sequence, acknowledgement: 1, flags: Flag.ack, lengthBytes: WITNESS_BYTES });
    this.#witnessSent += WITNESS_BYTES;
    const acknowledgement = (sequence + WITNESS_BYTES) >>> 0;
    this.#fromServer({ sequence: 1, acknowledgement, flags: Flag.ack });
  }

  /** All that the witness has said was read, in order, and it has not ended. */
  assertWitness(): void {
    assert.deepEqual(this.#witnessEnds, [], "the witness is still followed");
    assert.equal(this.#witnessRead, this.#witnessSent, "all of the witness was read");
    assert.ok(this.#witnessSent > 0);
  }

  #watchWitness(): void {
    const monitor = this.engine.monitor({ name: "witness", filter: "host 192.0.2.1" });
    monitor.on("newData", "none", (flow, { sender }) => {
      const end = flow.end(sender);
      for (let piece = end.read(); piece !== undefined; piece = end.read()) {
        assert.ok(piece.bytes, "nothing of the witness is missing");
        assert.equal(piece.offset, this.#witnessRead);
        for (const byte of piece.bytes) {
          assert.equal(byte, byteAt((WITNESS_SEQUENCE + 1 + this.#witnessRead++) >>> 0));
        }
      }
    });
    monitor.on("connectionEnd", "none", (_, { reason }) => this.#witnessEnds.push(reason));
  }

  #greet(): void {
    const sequence = WITNESS_SEQUENCE;
    this.#fromClient({ sequence, acknowledgement: 0, flags: Flag.syn });
    this.#fromServer({ sequence: 0, acknowledgement: sequence + 1, flags: Flag.syn | Flag.ack });
    this.#fromClient({ sequence: sequence + 1, acknowledgement: 1, flags: Flag.ack });
    this.witness();
  }

  #fromClient(what: WitnessPacket): void {
    const [sourcePort, targetPort] = WITNESS_PORTS;
    const ends = { source: WITNESS_CLIENT, target: WITNESS_SERVER, sourcePort, targetPort };
    this.#witness.send(this.engine, { ...ends, ...what });
  }

  #fromServer(what: WitnessPacket): void {
    const [targetPort, sourcePort] = WITNESS_PORTS;
    const ends = { source: WITNESS_SERVER, target: WITNESS_CLIENT, sourcePort, targetPort };
    this.#witness.send(this.engine, { ...ends, ...what });
  }

  #add(name: string): void {
    this.counts.set(name, this.counted(name) + 1);
  }
}

interface WitnessPacket {
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly lengthBytes?: number;
}
