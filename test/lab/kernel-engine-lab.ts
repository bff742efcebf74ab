/**
 * Both engines of packet scripts on this machine's kernel, in a network namespace of the test's own with a peer behind
 * a cable, for tests.
 * @module
 */
import { execFileSync, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { LinuxClock } from "#linux/clock.ts";
import { native } from "#linux/native.ts";
import { LinuxQueueRules } from "#linux/queue-rules.ts";
import { LinuxRandom } from "#linux/random.ts";
import type { LoadedScript } from "#script/engine.ts";
import { MapDirectory } from "#script/map-directory.ts";
import { type ScriptOptions, scriptSpec } from "#service/packetd/config.ts";
import { ChoosingScriptEngine } from "../../src/app/script/choosing-engine.ts";
import { ThreadKernelCompiler } from "../../src/app/script/kernel-compiler.ts";
import { KernelScriptEngine } from "../../src/app/script/kernel-engine.ts";
import { KernelMapStore } from "../../src/app/script/kernel-maps.ts";
import { UserScriptEngine } from "../../src/app/script/user-engine.ts";

export const OWN = "10.97.0.1";
export const PEER = "10.97.0.2";

export class KernelEngineLab {
  readonly engine: ChoosingScriptEngine;
  readonly kernel: KernelScriptEngine;
  readonly maps: MapDirectory;
  /** What went over the bus: address and fields. */
  readonly posted: [address: string, fields: Readonly<Record<string, unknown>>][] = [];
  readonly log: string[] = [];
  readonly #peer = `mn-kp-${process.pid}`;
  readonly #folder = mkdtempSync(join(tmpdir(), "mn-kernel-"));
  readonly #rules = new LinuxQueueRules();
  readonly #sockets: Socket[] = [];

  /** In the thread's network namespace, which is the test's own. */
  constructor() {
    ip("netns", "add", this.#peer);
    this.plug();
    const clock = new LinuxClock();
    const time = {
      get now() {
        return clock.now();
      },
    };
    const programs = new LinuxKernelPrograms();
    const kernelMaps = new KernelMapStore({ programs, pins: undefined, time });
    this.maps = new MapDirectory({ random: new LinuxRandom(), owner: 1, time, kernel: kernelMaps });
    const bus = (): { post: (address: string, fields?: Readonly<Record<string, unknown>>) => void } => ({
      post: (address, fields = {}) => this.posted.push([address, fields]),
    });
    const trouble = (script: string, text: string): number => this.log.push(`${script}! ${text}`);
    const user = new UserScriptEngine({
      rules: this.#rules,
      maps: this.maps,
      takenPlaces: (hook) => this.kernel.places(hook),
      scriptSaid: (script, text) => this.log.push(`${script}: ${text}`),
      trouble,
    });
    this.kernel = new KernelScriptEngine({
      programs,
      compiler: new ThreadKernelCompiler(),
      interfaces: { index: indexOf, isEthernet: (name) => (indexOf(name) === 0 ? undefined : true) },
      maps: kernelMaps,
      user,
      handOverMarks: this.#rules.marks.handOver ?? [],
      takenPlaces: (hook) => user.places(hook),
      skipMarks: this.#rules.marks.done | this.#rules.marks.sent,
      changed: () => user.markDone(),
      isInMemory: (name) => this.maps.has(name),
      bus,
      trouble,
    });
    this.engine = new ChoosingScriptEngine({ user, kernel: this.kernel });
  }

  /** The cable to the peer. */
  plug(): void {
    ip("link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", this.#peer);
    ip("address", "add", `${OWN}/24`, "dev", "lan0");
    ip("link", "set", "lan0", "up");
    ip("-n", this.#peer, "address", "add", `${PEER}/24`, "dev", "eth0");
    ip("-n", this.#peer, "link", "set", "eth0", "up");
  }

  unplug(): void {
    ip("link", "delete", "lan0");
  }

  /** Writes a module; its path. */
  module(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }

  load(options: Partial<ScriptOptions> & Pick<ScriptOptions, "file" | "function">): Promise<LoadedScript> {
    return this.engine.load(scriptSpec({ name: "case", hook: "input", ...options }));
  }

  async find(name = "case"): Promise<LoadedScript> {
    const found = (await this.engine.list()).find(({ spec }) => spec.name === name);
    if (found === undefined) throw new Error(`${name} is not loaded`);
    return found;
  }

  /** What arrives at a port of ours. */
  async receive(port: number): Promise<string[]> {
    const socket = createSocket("udp4");
    this.#sockets.push(socket);
    const seen: string[] = [];
    socket.on("message", (bytes) => seen.push(bytes.toString()));
    socket.bind(port, OWN);
    await once(socket, "listening");
    return seen;
  }

  /** The peer sends datagrams to us, one after the other. */
  send(port: number, ...texts: readonly string[]): void {
    const code = `
      const socket = require("node:dgram").createSocket("udp4");
      const left = ${JSON.stringify(texts)};
      (function next() {
        const text = left.shift();
        if (text === undefined) socket.close();
        else socket.send(text, ${port}, "${OWN}", next);
      })();`;
    execFileSync("ip", ["netns", "exec", this.#peer, process.execPath, "-e", code]);
  }

  /** The peer sends one datagram many times, and meanwhile we go on. */
  async sendMany(port: number, text: string, count: number): Promise<void> {
    const code = `
      const socket = require("node:dgram").createSocket("udp4");
      let left = ${count};
      (function next() {
        if (left-- > 0) socket.send(${JSON.stringify(text)}, ${port}, "${OWN}", next);
        else socket.close();
      })();`;
    const child = spawn("ip", ["netns", "exec", this.#peer, process.execPath, "-e", code], {
      stdio: "inherit",
    });
    const [exit] = await once(child, "exit");
    if (exit !== 0) throw new Error(`the sender ended with ${String(exit)}`);
  }

  /** Unloads all scripts and closes what listens. */
  async clear(): Promise<void> {
    for (const socket of this.#sockets.splice(0)) socket.close();
    for (const { spec } of await this.engine.list()) await this.engine.unload(spec.name);
    this.posted.length = 0;
  }

  async close(): Promise<void> {
    await this.clear();
    await this.engine.close();
    this.#rules.close();
    ip("netns", "delete", this.#peer);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function indexOf(name: string): number {
  try {
    return native().interfaceIndex(name);
  } catch {
    return 0;
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "inherit"] });
}
