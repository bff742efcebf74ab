/**
 * A small world for the tests of the examples: loads a script as the engine does, gives it packets one by one, and
 * catches what it sends. Time stands still until a test moves it.
 * @module
 */
import { join } from "node:path";
import { loadScript } from "#app/script/modules.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import type { Duration } from "#base/time.ts";
import { type BuiltPacket, build } from "#packet/build.ts";
import type { Connection } from "#packet/connection.ts";
import { Packet } from "#packet/packet.ts";
import type { Header } from "#packet/protocol.ts";
import { verifyChecksum } from "#packet/verify.ts";
import type { ScriptHost } from "#script/host.ts";
import { HELD, ScriptJudge, UNCHANGED } from "#script/judge.ts";
import { MapDirectory } from "#script/map-directory.ts";
import type { ScriptContext } from "#script/script-context.ts";
import { formatVerdict, type Verdict } from "#script/verdict.ts";
import { SimClock } from "#sim/clock.ts";

let versionCount = 1_000_000;

/** What a script made of a packet. */
export interface Answer {
  readonly verdict: string;
  /** As it leaves. */
  readonly packet: Packet;
  /** What the script sent before the next packet came. */
  readonly sent: readonly Packet[];
}

/** A TCP connection that both sides know of. */
export function established(): Connection {
  const tuple = { source: 0, destination: 0, sourcePort: 0, destinationPort: 0, protocol: 6 };
  return {
    state: "established",
    isReply: false,
    id: 1,
    original: tuple,
    reply: tuple,
    isAssured: true,
    mark: 0,
  };
}

export type Payload = Uint8Array | string;

export class ScriptWorld {
  readonly clock: SimClock = new SimClock();
  /** Everything that was sent, in order, until a test takes it. */
  readonly sent: Packet[] = [];
  readonly log: string[] = [];
  /** Shared by all functions, by their names. */
  readonly maps: MapDirectory;
  readonly #judges = new Map<string, ScriptJudge>();
  readonly #soon: (() => void)[] = [];
  readonly #held = new Map<number, (verdict: string) => void>();
  #connection: Connection | undefined;
  #token = 0;

  private constructor() {
    const { clock } = this;
    const time = {
      get now() {
        return clock.now();
      },
    };
    this.maps = new MapDirectory({ random: new SeededRandom(1), owner: 1, time });
  }

  /** Loads functions of an example, which share its variables. */
  static async load(file: string, ...functions: string[]): Promise<ScriptWorld> {
    const world = new ScriptWorld();
    const version = ++versionCount;
    for (const name of functions) {
      const { run } = await loadScript(join(import.meta.dirname, file), name, version);
      const judge = new ScriptJudge({
        script: run,
        functionName: name,
        identity: { name, isolate: "test", hook: "forward" },
        host: world.#host(),
        onError: "drop",
        seed: 7,
        isOwnFile: () => true,
        connection: () => world.#connection as never,
      });
      world.#judges.set(name, judge);
    }
    return world;
  }

  /** What a function is given besides the packets. */
  context(functionName: string): ScriptContext {
    return this.#judge(functionName).context;
  }

  /** The counters of a function, its own ones and those of the errors. */
  counter(functionName: string, name: string): number {
    return this.context(functionName).counter(name).value;
  }

  /** Gives a packet to a function; fails when the script does, or sends what has wrong checksums. */
  async give(
    functionName: string,
    packet: BuiltPacket,
    options: { readonly connection?: Connection } = {},
  ): Promise<Answer> {
    const { etherType, lengthBytes } = packet;
    const bytes = packet.toBytes();
    return await this.giveBytes(functionName, { bytes, etherType, fullLengthBytes: lengthBytes }, options);
  }

  /** The same with bytes, of which not all may be there. */
  async giveBytes(
    functionName: string,
    from: { readonly bytes: Uint8Array; readonly etherType: number; readonly fullLengthBytes: number },
    options: { readonly connection?: Connection } = {},
  ): Promise<Answer> {
    const judge = this.#judge(functionName);
    const given = judge.freshPacket();
    const bytes = Uint8Array.from(from.bytes);
    given.aim(new DataView(bytes.buffer), 0, bytes.length, from.etherType);
    given.fullLengthBytes = from.fullLengthBytes;
    this.#connection = options.connection;
    given.$connection = () => options.connection;
    given.time = this.clock.now();
    const before = this.sent.length;
    const token = ++this.#token;
    const later = new Promise<string>((resolve) => this.#held.set(token, resolve));
    const answer = judge.judge(given, token);
    this.#runSoon();
    const [fault] = judge.faults.list();
    if (fault !== undefined) throw new Error(`${functionName} failed at ${fault.place}: ${fault.message}`);
    if (answer === UNCHANGED) throw new Error(`${functionName} failed`);
    const verdict = answer === HELD ? await later : formatVerdict(answer as Verdict);
    return { verdict, packet: given, sent: this.sent.slice(before) };
  }

  /** Moves time; deferred work runs on the way. */
  async wait(duration: Duration): Promise<void> {
    await this.clock.advance(duration);
    this.#runSoon();
  }

  /** What was sent since the last call. */
  take(): Packet[] {
    return this.sent.splice(0);
  }

  #judge(functionName: string): ScriptJudge {
    const judge = this.#judges.get(functionName);
    if (judge === undefined) throw new Error(`no function ${functionName} was loaded`);
    return judge;
  }

  #runSoon(): void {
    while (this.#soon.length > 0) this.#soon.shift()?.();
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    const etherType = (bytes[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800;
    const packet = new Packet();
    packet.aim(new DataView(bytes.buffer), 0, bytes.length, etherType);
    const bad = wrongChecksums(packet);
    if (bad.length > 0) throw new Error(`sent with a wrong checksum: ${bad.join(", ")}`);
    this.sent.push(packet);
  }

  #host(): ScriptHost {
    return {
      clock: this.clock,
      steady: () => 0,
      soon: (action) => this.#soon.push(action),
      settle: ({ token, verdict }) => this.#held.get(token)?.(formatVerdict(verdict)),
      send: (packets) => {
        for (const parts of packets) this.#take(Uint8Array.from(Buffer.concat(parts)));
        return packets.length;
      },
      map: (name, options) => this.maps.open(name, options),
      bus: { post: () => undefined, call: () => Promise.reject(new Error("no bus in this test")) },
      log: (text) => this.log.push(text),
      interfaceName: () => "",
      connection: () => undefined,
      sample: () => undefined,
    };
  }
}

/** A packet of headers and what they carry, texts as UTF-8. */
export function packetOf(...parts: readonly (Header | Payload)[]): BuiltPacket {
  return build(...parts.map((one) => (typeof one === "string" ? new TextEncoder().encode(one) : one)));
}

/** The headers whose checksums are wrong. */
export function wrongChecksums(packet: Packet): string[] {
  return packet
    .headers()
    .filter((header) => verifyChecksum(header) === "bad")
    .map((header) => header.$of.name);
}
