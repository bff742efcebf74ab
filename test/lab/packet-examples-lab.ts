/**
 * The net in which the examples of packet scripts are tried: a client, a router and servers (see PacketQueueNet), with
 * a packetd of its own on the router, which is spoken to by the command line as a reader of the READMEs would.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { PacketQueueNet, run } from "./packet-queue-net.ts";

const METANET = join(import.meta.dirname, "../../bin/metanet");
const EXAMPLES = join(import.meta.dirname, "../../example/packet");
const execute = promisify(execFile);

/** What a program said, and how it ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As `metanet script list --json` tells it, as far as the tests look. */
export interface Listed {
  readonly name: string;
  readonly packets: number;
  readonly errors: number;
  readonly handed: number;
  readonly faults: readonly unknown[];
  readonly counters: Readonly<Record<string, number>>;
}

export class ExampleLab {
  readonly net: PacketQueueNet = new PacketQueueNet();
  /** Readable for everybody, gone at the end. */
  readonly folder: string = mkdtempSync(join(tmpdir(), "metanet-examples-"));
  readonly #children: ChildProcess[] = [];
  readonly #environment: NodeJS.ProcessEnv;

  constructor() {
    chmodSync(this.folder, 0o755);
    this.#environment = { ...process.env, METANET_RUN: join(this.folder, "run") };
    process.once("exit", () => this.#endChildren());
  }

  /** `metanet …` on the router. @throws with what it said when it fails */
  async metanet(...words: string[]): Promise<string> {
    const { stdout } = await execute(METANET, words, { env: this.#environment, timeout: 60_000 });
    return stdout;
  }

  /** `metanet script load …` of an example. */
  async load(file: string, functionName: string, ...words: string[]): Promise<void> {
    await this.metanet("script", "load", join(EXAMPLES, file), "--function", functionName, ...words);
  }

  async unload(...names: string[]): Promise<void> {
    for (const name of names) await this.metanet("script", "unload", name);
  }

  async listed(name: string): Promise<Listed> {
    const { scripts } = JSON.parse(await this.metanet("script", "list", name, "--json")) as {
      readonly scripts: readonly Listed[];
    };
    const found = scripts.find((one) => one.name === name);
    assert.ok(found, `no script ${name}`);
    return found;
  }

  /** A host's program that runs until the lab is closed; resolves when it has said `ready`, or at once. */
  async start(host: string, words: readonly string[], ready?: RegExp): Promise<ChildProcess> {
    const child = spawn("ip", ["netns", "exec", host, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    let said = "";
    const isReady = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (data: Buffer) => {
        said += data.toString();
        if (ready?.test(said)) isReady.resolve();
      });
    }
    child.once("exit", (code) => isReady.reject(new Error(`${words.join(" ")} ended with ${code}: ${said}`)));
    isReady.promise.catch(() => undefined);
    if (ready !== undefined) await isReady.promise;
    return child;
  }

  /** A host's program, to its end. */
  async run(host: string, words: readonly string[], seconds = 30): Promise<Ended> {
    const options = { timeout: seconds * 1000, maxBuffer: 128 << 20 };
    try {
      const { stdout, stderr } = await execute("ip", ["netns", "exec", host, ...words], options);
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code?: number; stdout: string; stderr: string };
      return { code: code ?? -1, stdout, stderr };
    }
  }

  /** Waits until something listens at a port of a host's. */
  async listening(host: string, port: number, transport: "tcp" | "udp" = "tcp"): Promise<void> {
    const flag = transport === "tcp" ? "-Htln" : "-Huln";
    for (let tries = 0; tries < 250; tries++) {
      const { stdout } = await this.run(host, ["ss", flag, `sport = :${port}`]);
      if (stdout.trim() !== "") return;
      await pause(20);
    }
    throw new Error(`nothing listens at port ${port}`);
  }

  async end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill();
    await once(child, "exit");
  }

  async close(): Promise<void> {
    await this.metanet("down").catch(() => undefined);
    await Promise.all(this.#children.map((child) => this.end(child)));
    this.net.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #endChildren(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

/** Further addresses of the server's host. */
export function addAddresses(host: string, ...addresses: readonly string[]): void {
  for (const address of addresses) run(`ip -n ${host} address add ${address} dev eth0`);
}

/** Bytes that differ from block to block (xorshift32). */
export function someBytes(length: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = 0x9e37_79b9;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer).subarray(0, length);
}
