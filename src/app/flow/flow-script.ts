/**
 * A flow program as a packet script: the packets of a queue go through an engine, whose monitors decide and change them.
 *
 *     import { flowScript } from "metanet/flow";
 *     export const monitor = flowScript((engine) => { engine.monitor({ filter: "tcp port 80", edits: true }) … });
 *
 *     metanet script load web.ts --function monitor --hook forward
 *
 * Each isolate has an engine of its own: with several queues both directions of a flow come to the same one, for the
 * kernel's choice of a queue does not depend on the direction.
 *
 * When the script is loaded again, the new version begins with an empty engine, and flows whose bytes the old one had
 * changed are reset at both ends, as they could not go on: their numbers differ on the two sides. When it is unloaded or its
 * process is killed nobody is left to do that; such flows hang until an end gives up.
 * @module
 */
import type { Random } from "#base/random.ts";
import { milliseconds } from "#base/time.ts";
import { FlowEngine } from "#flow/engine.ts";
import type { FlowEngineOptions } from "#flow/engine-options.ts";
import { LinuxRandom } from "#linux/random.ts";
import { LinkType } from "#packet/link-type.ts";
import type { Packet } from "#packet/packet.ts";
import type { Context, PacketScript, ScriptOptions } from "#script/context.ts";
import { drop, proceed, type Verdict } from "#script/verdict.ts";

/** How often the engine is told the time when no packet comes. */
const TICK = milliseconds(100);
/** Bytes of a packet that a queue gives at most. */
const WHOLE_PACKET_BYTES = 65_535;

/** How a flow program is run on the packets of a queue. */
export interface FlowScriptOptions extends Pick<FlowEngineOptions, "policy" | "limits"> {
  /**
   * `false` promises that no packet is written to and no stream edited; then aggregates of segments come whole, which is
   * several times as fast. `true` when not given.
   */
  readonly writes?: boolean;
  /** Bytes of each packet that are needed, from its start; all when not given. Only without `writes`. */
  readonly readBytes?: number;
  /** Keys the table of flows; the kernel's when not given. */
  readonly random?: Random;
}

/** A packet script that says itself how it wants to be run. */
export type FlowScript = PacketScript & { readonly options: ScriptOptions };

/** Makes a packet script of a program, which is called once, with the engine, when the first packet comes. */
export function flowScript(
  program: (engine: FlowEngine) => unknown,
  options: FlowScriptOptions = {},
): FlowScript {
  const host = new FlowScriptHost(program, options);
  const writes = options.writes ?? true;
  const run: PacketScript = (packet, context) => host.judge(packet, context);
  const readBytes = writes ? WHOLE_PACKET_BYTES : (options.readBytes ?? WHOLE_PACKET_BYTES);
  return Object.assign(run, { options: { writes, readBytes, aggregates: !writes, connection: false } });
}

/** By the scripts' names: who runs, for the next version. */
const running = new Map<string, FlowScriptHost>();

class FlowScriptHost {
  readonly #program: (engine: FlowEngine) => unknown;
  readonly #options: FlowScriptOptions;
  #engine: FlowEngine | undefined;
  #context: Context | undefined;
  #errors: unknown[] = [];
  /** Those that will tell the engine the time: two hooks of one script take turns with every packet. */
  readonly #ticking = new Set<Context>();

  constructor(program: (engine: FlowEngine) => unknown, options: FlowScriptOptions) {
    this.#program = program;
    this.#options = options;
  }

  judge(packet: Packet, context: Context): Verdict {
    if (this.#context !== context) this.#begin(context);
    const engine = this.#engine ?? this.#start(context);
    const isPassing =
      packet.$first === "ethernet" ? handleFrame(engine, packet) : engine.handlePacket(packet);
    if (this.#errors.length > 0) return this.#fail(packet, context, isPassing);
    return isPassing ? proceed : drop;
  }

  /** Another loading of the script, or another hook of the same: both have one engine. */
  #begin(context: Context): void {
    this.#context = context;
    const { name } = context.script;
    const before = running.get(name);
    running.set(name, this);
    if (before !== undefined && before !== this) before.#end(context);
    this.#tick(context);
  }

  #start(context: Context): FlowEngine {
    const writes = this.#options.writes ?? true;
    const { policy, limits, random = new LinuxRandom() } = this.#options;
    const engine = new FlowEngine({
      random,
      // Of aggregates the kernel has not completed the checksums.
      policy: { ...(writes ? {} : { checksums: "trust" }), ...policy },
      ...(limits === undefined ? {} : { limits }),
      output: (bytes) => {
        const isTaken = (this.#context ?? context).send(bytes);
        if (!isTaken) (this.#context ?? context).counter("flow segments not sent").add();
      },
      onError: (monitor, error) => {
        this.#errors.push(error);
        (this.#context ?? context).log(`${monitor}: ${String(error)}`);
      },
    });
    this.#program(engine);
    this.#engine = engine;
    return engine;
  }

  /** A newer version runs: flows that cannot go on without this one are reset. */
  #end(context: Context): void {
    this.#context = context;
    this.#engine?.close();
    this.#engine = undefined;
    this.#errors = [];
  }

  #tick(context: Context): void {
    if (this.#ticking.has(context)) return;
    this.#ticking.add(context);
    context.defer(
      () => {
        this.#ticking.delete(context);
        if (this.#context !== context) return;
        this.#tick(context);
        this.#engine?.advance(context.now);
        this.#tell(context);
      },
      { delay: TICK },
    );
  }

  /**
   * A callback has thrown: that is an error of the script, and the rule's policy decides about the packet. It would go on as
   * it came in, which must not be when it was changed: its numbers would be wrong.
   */
  #fail(packet: Packet, context: Context, isPassing: boolean): Verdict {
    if (!isPassing || packet.isChanged) {
      this.#tell(context);
      return drop;
    }
    const [first] = this.#errors.splice(0, 1);
    this.#tell(context);
    throw first;
  }

  /** Errors without a packet, or beyond the first, are counted as well. */
  #tell(context: Context): void {
    for (const error of this.#errors.splice(0)) {
      context.defer(() => {
        throw error;
      });
    }
  }
}

/** A frame that begins with its link's header, as of a bridge or a capture: it can be watched and dropped. */
function handleFrame(engine: FlowEngine, packet: Packet): boolean {
  const seconds = Math.floor(packet.time / 1000);
  const { buffer, byteOffset, byteLength } = packet.$data;
  return engine.handle({
    seconds,
    nanoseconds: (packet.time - seconds * 1000) * 1e6,
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
    offset: packet.$start,
    capturedBytes: packet.lengthBytes,
    originalBytes: packet.fullLengthBytes,
    linkType: LinkType.ethernet,
  });
}
