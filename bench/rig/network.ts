/**
 * Three network namespaces `src`, `fw` and `dst`, joined by two veth pairs, with `fw` as the router: the network of
 * every measurement of packet scripts. Names are this process's own; programs and namespaces go on every way out,
 * and what a killed run left behind goes at the next start.
 * @module
 */
import {
  type ChildProcess,
  execFile,
  execFileSync,
  type SpawnOptions,
  spawn,
  spawnSync,
} from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { createNamespace, removeNamespace } from "#linux/namespace.ts";

/** Where a program runs: the client, the router, the server. */
export type Place = "src" | "fw" | "dst";

/**
 * The addresses, by IP version; `inner` and `outer` are the router's, towards `src` and towards `dst`. Those of IPv4 are
 * the thesis's, which stand in `example/packet/nat.ts`.
 */
export const ADDRESSES = {
  4: { src: "192.168.0.2", inner: "192.168.0.1", outer: "10.0.0.1", dst: "10.0.0.2" },
  6: { src: "fd71::2", inner: "fd71::1", outer: "fd71:1::1", dst: "fd71:1::2" },
} as const;

/** Another address of `src`, for traffic that rules shall tell from the rest. */
export const SECOND_SOURCE = "192.168.0.3";

/** The first of 256 addresses that are led to `dst` (RFC 2544's): queues are chosen by addresses, not by ports. */
export const MANY_TARGETS = "198.18.0.0";

/** A UDP port in `dst` on which datagrams are dropped early: nothing answers, nothing piles up. */
export const SINK_PORT = 9;

const PREFIX = "mn-bench-";
const PLACES: readonly Place[] = ["src", "fw", "dst"];
const LINKS: readonly { readonly fw: string; readonly far: Place }[] = [
  { fw: "src0", far: "src" },
  { fw: "dst0", far: "dst" },
];
const STOP_AGAIN_MS = 200;
const STOP_TRIES_MAX = 10;
const LISTENING_PAUSE_MS = 20;
const LISTENING_TRIES_MAX = 250;
const run = promisify(execFile);

let networkCount = 0;

/** A program that the network started. */
export interface Started {
  readonly child: ChildProcess;
  /** Everything it has written to standard output. */
  output(): string;
  /** Ends it with SIGTERM, after two seconds with SIGKILL; resolves when it is gone. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** The core it is pinned to; anywhere by default. */
  readonly core?: number | undefined;
  /** Wait for this in its output; `/\n/` for the first line. */
  readonly ready?: RegExp;
  readonly folder?: string;
  /** Its standard input is written by us; empty by default. */
  readonly input?: boolean;
}

export class BenchNetwork {
  readonly #name = `${PREFIX}${process.pid}-${networkCount++}`;
  readonly #started = new Set<Started>();
  readonly #onExit = (): void => this.#remove();
  readonly #onSignal = (): void => process.exit(130);
  #closed = false;

  /** @param options.offload whether the hosts leave transport checksums to the (virtual) card, as usual. */
  constructor(options: { readonly offload?: boolean } = {}) {
    sweep();
    process.on("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, this.#onSignal);
    for (const place of PLACES) {
      createNamespace(this.namespace(place));
      this.ip(place, "link", "set", "lo", "up");
    }
    for (const { fw, far } of LINKS) {
      const peer = ["type", "veth", "peer", "name", "eth0", "netns", this.namespace(far)];
      this.ip("fw", "link", "add", fw, ...peer);
    }
    this.#addresses();
    this.run("fw", ["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
    const sink = "table inet sink { chain in { type filter hook prerouting priority raw;";
    this.run("dst", ["nft", `${sink} udp dport ${SINK_PORT} drop; }; }`]);
    if (options.offload === false) this.setOffload(false);
  }

  /** Its name for `ip netns`. */
  namespace(place: Place): string {
    return `${this.#name}-${place}`;
  }

  ip(place: Place, ...words: string[]): string {
    return execFileSync("ip", ["-n", this.namespace(place), ...words], { encoding: "utf8", stdio: "pipe" });
  }

  /** Checksums of what the hosts and the router send: by the card, or in software before a packet leaves. */
  setOffload(on: boolean): void {
    for (const [place, device] of [
      ["src", "eth0"],
      ["dst", "eth0"],
      ["fw", "src0"],
      ["fw", "dst0"],
    ] as const) {
      this.run(place, ["ethtool", "-K", device, "tx", on ? "on" : "off"]);
    }
  }

  /** Runs a short program there to its end, and answers its output. */
  run(place: Place, words: readonly string[]): string {
    const [program = "", ...rest] = this.#inside(place, words);
    return execFileSync(program, rest, { encoding: "utf8", stdio: "pipe" });
  }

  /** The same without blocking, for programs that take their time. */
  async runLong(place: Place, words: readonly string[], core?: number): Promise<string> {
    const [program = "", ...rest] = this.#inside(place, words, core);
    const { stdout } = await run(program, rest, { maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  }

  /** Starts a program there and waits until it says that it is ready. */
  async start(place: Place, words: readonly string[], options: StartOptions = {}): Promise<Started> {
    const [program = "", ...rest] = this.#inside(place, words, options.core);
    const how: SpawnOptions = {
      stdio: [options.input ? "pipe" : "ignore", "pipe", "pipe"],
      cwd: options.folder,
    };
    const child = spawn(program, rest, how);
    let output = "";
    let complaint = "";
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    const started: Started = {
      child,
      output: () => output,
      stop: async () => {
        this.#started.delete(started);
        await endOf(child, ended);
      },
    };
    this.#started.add(started);
    await new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.stdout?.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (options.ready?.test(output)) resolve();
      });
      child.once("close", (code) =>
        reject(new Error(`Cannot run ${words.join(" ")}: it ended with ${code}\n${complaint}`)),
      );
      if (!options.ready) child.once("spawn", resolve);
    });
    return started;
  }

  /** Waits until somebody there listens on a port, for programs that do not say so. */
  async listening(place: Place, port: number, kind: "tcp" | "udp" = "tcp"): Promise<void> {
    const words = ["ss", "-Hln", kind === "tcp" ? "-t" : "-u", `sport = :${port}`];
    for (let tries = 0; tries < LISTENING_TRIES_MAX; tries++) {
      if (this.run(place, words) !== "") return;
      await pause(LISTENING_PAUSE_MS);
    }
    throw new Error(`Cannot measure: nobody listens on ${kind} port ${port} in ${place}`);
  }

  /** Ends what it started and removes the namespaces. */
  async close(): Promise<void> {
    await Promise.all([...this.#started].map((one) => one.stop()));
    this.#remove();
    process.off("exit", this.#onExit);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, this.#onSignal);
  }

  #inside(place: Place, words: readonly string[], core?: number): readonly string[] {
    const pinned = core === undefined ? [] : ["taskset", "-c", String(core)];
    return ["ip", "netns", "exec", this.namespace(place), ...pinned, ...words];
  }

  #addresses(): void {
    const add = (place: Place, device: string, four: string, six: string): void => {
      this.ip(place, "link", "set", device, "up");
      this.ip(place, "address", "add", `${four}/24`, "dev", device);
      this.ip(place, "address", "add", `${six}/64`, "dev", device, "nodad");
    };
    const { 4: four, 6: six } = ADDRESSES;
    add("src", "eth0", four.src, six.src);
    add("fw", "src0", four.inner, six.inner);
    add("fw", "dst0", four.outer, six.outer);
    add("dst", "eth0", four.dst, six.dst);
    this.ip("src", "route", "add", "default", "via", four.inner);
    this.ip("dst", "route", "add", "default", "via", four.outer);
    this.ip("src", "address", "add", `${SECOND_SOURCE}/24`, "dev", "eth0");
    this.ip("fw", "route", "add", `${MANY_TARGETS}/24`, "via", four.dst);
    this.ip("src", "-6", "route", "add", "default", "via", six.inner);
    this.ip("dst", "-6", "route", "add", "default", "via", six.outer);
  }

  /** Also from an exit handler, so nothing here waits. */
  #remove(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const place of PLACES) removeQuietly(this.namespace(place));
  }
}

/** A signal between a program's check and its wait is lost on it, so it is told again. */
async function endOf(child: ChildProcess, ended: Promise<void>): Promise<void> {
  let tries = 0;
  child.kill("SIGTERM");
  const again = setInterval(() => {
    child.kill(++tries < STOP_TRIES_MAX ? "SIGTERM" : "SIGKILL");
  }, STOP_AGAIN_MS);
  await ended;
  clearInterval(again);
}

/** Namespaces of runs that are no more. */
function sweep(): void {
  if (!existsSync("/run/netns")) return;
  for (const name of readdirSync("/run/netns")) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeQuietly(name);
  }
}

/** With every program in it, which would keep it alive without a name. */
function removeQuietly(name: string): void {
  const { stdout } = spawnSync("ip", ["netns", "pids", name], { encoding: "utf8" });
  for (const pid of (stdout ?? "").split("\n").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
  try {
    removeNamespace(name);
  } catch {
    // It was not made yet, or is gone already.
  }
}
