/**
 * What the scripts of an isolate are given by it: the machine's clock, sockets to send by, maps and the bus by way of
 * the engine's thread.
 * @module
 */
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { LimitExceededError, MetanetError } from "#base/errors.ts";
import type { Tuples, Value } from "#base/value.ts";
import type { PacketParts } from "#io/packet-sender.ts";
import { borrowKernelMap } from "#linux/bpf/kernel-map.ts";
import { testRun } from "#linux/bpf/test-run.ts";
import { LinuxClock } from "#linux/clock.ts";
import { native } from "#linux/native.ts";
import { LinuxPacketSender } from "#linux/packet-sender.ts";
import type { PacketColumns } from "#script/columns.ts";
import type { ScriptBus, SendOptions } from "#script/context.ts";
import type { ReadConnection, ScriptHost, Settled } from "#script/host.ts";
import { kernelMapLayout } from "#script/kernel-map-layout.ts";
import { operationImage, type RunOperation } from "#script/kernel-map-operations.ts";
import { KernelMapView } from "#script/kernel-map-view.ts";
import { IsolateMaps, type MapAnswer, type MapOptions, type MapRequest } from "#script/map-directory.ts";
import type { SharedMap } from "#script/shared-map.ts";
import type { TimeHistogram } from "#script/time-histogram.ts";
import { decodeTuples, encodeTuples } from "#wire/cbor.ts";
import { type ConnectionColumns, readConnection } from "./connection.ts";
import { ConnectionLookup } from "./connection-lookup.ts";
import type { ConnectionRows } from "./connection-rows.ts";
import { InterfaceNames } from "./interface-names.ts";
import type { CallError, FromIsolate, IsolateStart } from "./isolate-messages.ts";

/** Calls of one isolate that wait for their answers at most. */
export const CALL_COUNT_MAX = 1024;
/** Milliseconds until the engine's answer about a map is given up. */
const MAP_WAIT_MAX = 2000;

/** An error that the bus answered with, in another thread. */
export class RemoteCallError extends MetanetError {
  readonly code: string;

  /** @param stack of the call, whose first line is another error's */
  constructor({ code, message }: CallError, stack: string) {
    super(message);
    this.code = code;
    this.stack = stack.replace(/^.*/, () => `${this.name}: ${message}`);
  }
}

interface WaitingCall extends PromiseWithResolvers<Readonly<Record<string, Value>>> {
  /** Where it was called. */
  readonly stack: string;
}

/** What all scripts of an isolate have in common. */
export class IsolateServices {
  readonly clock: LinuxClock = new LinuxClock();
  readonly names: InterfaceNames = new InterfaceNames();
  readonly maps: IsolateMaps;
  /** For queues that bring none along. */
  readonly connections: ConnectionLookup;
  readonly #post: (message: FromIsolate) => void;
  readonly #sentMark: number;
  readonly #calls = new Map<number, WaitingCall>();
  #callCount = 0;
  #sender: LinuxPacketSender | undefined;

  constructor(start: IsolateStart, post: (message: FromIsolate) => void) {
    this.#post = post;
    this.#sentMark = start.sentMark;
    const { clock } = this;
    const time = {
      get now() {
        return clock.now();
      },
    };
    const ask = askFrom(start.mapPort, new Int32Array(start.mapSignal), post);
    this.connections = new ConnectionLookup((text) => {
      post({ say: "trouble", name: start.isolate, text: `packet.connection is undefined: ${text}` });
    });
    this.maps = new IsolateMaps({
      ask,
      owner: start.owner,
      time,
      kernel: ({ name, shape, spec, descriptor, operations }) => {
        const layout = kernelMapLayout(shape);
        const run: RunOperation = (operation, packet) =>
          testRun(operationImage(operation, name, layout), operations[operation], packet);
        return new KernelMapView(name, shape, borrowKernelMap(spec, descriptor), { time, run });
      },
    });
  }

  /** Sends packets; how many the kernel took. */
  send(packets: readonly PacketParts[], options: SendOptions): number {
    this.#sender ??= new LinuxPacketSender({ mark: this.#sentMark });
    const mark = ((options.mark ?? 0) | this.#sentMark) >>> 0;
    try {
      const index = options.interface === undefined ? 0 : native().interfaceIndex(options.interface);
      if (options.way === "frame") return this.#sender.sendFrames(index, packets, { mark });
      const way = index === 0 ? { mark } : { mark, outInterface: index };
      return this.#sender.sendRouted(packets, way);
    } catch {
      // No such interface.
      return 0;
    }
  }

  bus(script: string): ScriptBus {
    return {
      post: (address, fields = {}) => {
        this.#post({ say: "post", name: script, address, fields: encodeTuples(tuplesOf(fields)) });
      },
      call: (address, fields = {}, options = {}) => {
        if (this.#calls.size >= CALL_COUNT_MAX) {
          const seen = `${CALL_COUNT_MAX} calls of this isolate wait for their answers`;
          return Promise.reject(new LimitExceededError(`Cannot call ${address}: ${seen}`));
        }
        const call = ++this.#callCount;
        const waiting = Promise.withResolvers<Readonly<Record<string, Value>>>();
        // Made here, where the script calls: where the answer comes, nothing of the script is on the stack.
        const { stack = "" } = new Error();
        const bytes = encodeTuples(tuplesOf(fields));
        this.#calls.set(call, { ...waiting, stack });
        const { timeout } = options;
        const limit = timeout === undefined ? {} : { timeout };
        this.#post({ say: "call", name: script, call, address, fields: bytes, ...limit });
        return waiting.promise;
      },
    };
  }

  /** The answer to a call has come. */
  answered(call: number, fields: Uint8Array | undefined, error: CallError | undefined): void {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    if (error) waiting?.reject(new RemoteCallError(error, waiting.stack));
    else waiting?.resolve(fieldsOf(decodeTuples(fields ?? new Uint8Array([0x80]))));
  }
}

/** The {@link ScriptHost} of one script. */
export class IsolateHost implements ScriptHost {
  readonly clock: LinuxClock;
  readonly bus: ScriptBus;
  readonly #services: IsolateServices;
  readonly #times: TimeHistogram;
  readonly #log: (text: string) => void;
  /** Where later verdicts go; the queue of the script. */
  onSettled: (settled: Settled) => void = () => undefined;
  /** Where connections are read that the queue does not bring along; `undefined` when none are wanted. */
  connections: ConnectionRows | undefined;
  #nameTime = 0;

  constructor(
    services: IsolateServices,
    options: { readonly script: string; readonly times: TimeHistogram; readonly log: (text: string) => void },
  ) {
    this.#services = services;
    this.#times = options.times;
    this.#log = options.log;
    this.clock = services.clock;
    this.bus = services.bus(options.script);
  }

  steady(): number {
    return performance.now();
  }

  /** Once for each batch: the age of interfaces' names is told by it. */
  refresh(): void {
    this.#nameTime = performance.now();
  }

  soon(action: () => void): void {
    // Behind the verdicts of the batches that were there, and before the event loop looks for more; what is put off
    // by what was put off leaves packets their turn.
    setImmediate(action);
  }

  settle(settled: Settled): void {
    this.onSettled(settled);
  }

  send(packets: readonly PacketParts[], options: SendOptions): number {
    return this.#services.send(packets, options);
  }

  map(name: string, options?: MapOptions): SharedMap {
    return this.#services.maps.open(name, options);
  }

  log(text: string): void {
    this.#log(text);
  }

  interfaceName(index: number): string {
    return index === 0 ? "" : this.#services.names.name(index, this.#nameTime);
  }

  connection(columns: PacketColumns, row: number): ReadConnection | undefined {
    if (this.connections) return this.connections.read(columns, row);
    return readConnection(columns as PacketColumns & ConnectionColumns, row);
  }

  sample(nanoseconds: number): void {
    this.#times.record(nanoseconds);
  }
}

/** Fields of a message as CBOR's tuples, and back. */
export function tuplesOf(fields: Readonly<Record<string, Value>>): Tuples {
  return Object.entries(fields).flat();
}

export function fieldsOf(tuples: Tuples): Readonly<Record<string, Value>> {
  const fields: Record<string, Value> = {};
  for (let index = 0; index + 1 < tuples.length; index += 2) {
    fields[String(tuples[index])] = tuples[index + 1] as Value;
  }
  return fields;
}

/** Asks the engine's thread and sleeps until it has answered. */
function askFrom(port: MessagePort, signal: Int32Array, post: (message: FromIsolate) => void) {
  return (request: MapRequest): MapAnswer => {
    const seen = Atomics.load(signal, 0);
    post({ say: "map", request });
    Atomics.wait(signal, 0, seen, MAP_WAIT_MAX);
    const answer = receiveMessageOnPort(port)?.message as MapAnswer | undefined;
    return (
      answer ?? { error: "limit", message: `Cannot open map '${request.name}': the engine did not answer` }
    );
  };
}
