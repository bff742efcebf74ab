/**
 * Two namespaces with a DHCP server in one and real DHCP clients in the other; every client's files are in a folder
 * of the test's own, and nothing of the machine is touched.
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { VethPair } from "../contract/veth-pair.ts";
import type { ServerArguments } from "./dhcpd-server.ts";

const LISTENER_PROGRAM = join(import.meta.dirname, "dhcp-listener.ts");
const SERVER_PROGRAM = join(import.meta.dirname, "dhcpd-server.ts");

/** What a client's script writes down: one line per event. */
const SCRIPT = `#!/bin/sh
# Called by udhcpc (with the event as argument) and by dhclient and dhcpcd (with the event in $reason).
event=\${reason:-$1}
address=\${ip:-$new_ip_address}
mask=\${subnet:-$new_subnet_mask}
echo "$event $address" >> "$0.log"
case $event in
  bound|BOUND|REBOOT|renew|RENEW|REBIND)
    ip address replace "$address/$mask" dev eth0 ;;
  deconfig|PREINIT|EXPIRE|FAIL|RELEASE|STOP|NAK|nak)
    ip link set eth0 up
    ip -4 address flush dev eth0 ;;
esac
`;

export class DhcpLab {
  readonly folder: string = mkdtempSync(join(tmpdir(), "metanet-dhcp-"));
  readonly script: string = join(this.folder, "script");
  /** A run directory for a server that is on the bus. */
  readonly run: string = join(this.folder, "run");
  readonly #pair = new VethPair();
  readonly #children: ChildProcess[] = [];
  #server: { readonly child: ChildProcess; readonly lines: Interface } | undefined;

  constructor() {
    writeFileSync(this.script, SCRIPT);
    chmodSync(this.script, 0o755);
    this.ip("server", "address", "add", "10.77.0.1/24", "dev", "eth0");
  }

  ip(side: "server" | "client", ...args: string[]): string {
    return this.#pair.ip(this.#pair[side], ...args);
  }

  get serverNamespace(): string {
    return this.#pair.server;
  }

  inside<R>(side: "server" | "client", action: () => R): R {
    return this.#pair.inside(this.#pair[side], action);
  }

  /** Starts the server; what is not given is as in the tests' usual network. */
  async serve(changes: Partial<ServerArguments> = {}): Promise<void> {
    const given: ServerArguments = {
      interface: "eth0",
      server: "10.77.0.1",
      subnet: "10.77.0.0/24",
      pool: ["10.77.0.100", "10.77.0.199"],
      leaseMilliseconds: 600_000,
      database: join(this.folder, "leases.db"),
      ...changes,
    };
    const child = this.start("server", [process.execPath, SERVER_PROGRAM, JSON.stringify(given)], true);
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    this.#server = { child, lines };
    await this.#line();
  }

  /** Asks the server for its leases or statistics. */
  async ask(what: "leases" | "statistics"): Promise<Record<string, string[]>> {
    this.#server?.child.stdin?.write(`${what}\n`);
    return JSON.parse(await this.#line());
  }

  /** One of the server's counters. */
  async count(name: string): Promise<number> {
    const { counter = [], count = [] } = await this.ask("statistics");
    return Number(count[counter.indexOf(name)]);
  }

  /** Starts a listener on the server's lookups, and waits until it is attached. */
  async listen(what: string): Promise<ChildProcess> {
    const child = this.start("server", [process.execPath, LISTENER_PROGRAM, this.run, what], true);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    return child;
  }

  async killServer(): Promise<void> {
    const child = this.#server?.child;
    if (!child) return;
    child.kill("SIGKILL");
    await once(child, "close");
  }

  /** Starts a client program in the background. */
  client(program: string, ...args: string[]): ChildProcess {
    return this.start("client", [program, ...args]);
  }

  /** Runs a client program to its end; its exit code. */
  async runClient(program: string, ...args: string[]): Promise<number> {
    const child = this.client(program, ...args);
    const [code] = (await once(child, "exit")) as [number | null];
    return code ?? -1;
  }

  /** The events the clients' script was called for, `bound 10.77.0.100` and the like. */
  events(): string[] {
    const log = `${this.script}.log`;
    return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
  }

  /** Waits for an event, 10 s at the most; gives all events so far. */
  async event(wanted: RegExp, count = 1): Promise<string[]> {
    const end = performance.now() + 10_000;
    while (performance.now() < end) {
      const events = this.events();
      if (events.filter((event) => wanted.test(event)).length >= count) return events;
      await pause(20);
    }
    throw new Error(`no event ${wanted} in 10 s, only: ${this.events().join(", ")}`);
  }

  /** Takes the client's addresses away, as a reboot does. */
  forgetAddresses(): void {
    this.ip("client", "-4", "address", "flush", "dev", "eth0");
    rmSync(`${this.script}.log`, { force: true });
  }

  async remove(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    // What they started themselves, as dhcpcd does, is in the namespaces, which are ours alone.
    for (const side of [this.#pair.server, this.#pair.client]) {
      const pids = execFileSync("ip", ["netns", "pids", side], { encoding: "utf8" }).split("\n");
      for (const pid of pids.filter(Boolean)) killIfThere(Number(pid));
    }
    this.#pair.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Starts a program in one of the namespaces; it ends with the lab at the latest. */
  start(side: "server" | "client", command: readonly string[], pipesOutput = false): ChildProcess {
    // `ip netns exec` replaces itself by the program, so signals reach it.
    const child = spawn("ip", ["netns", "exec", this.#pair[side], ...command], {
      stdio: ["pipe", pipesOutput ? "pipe" : "ignore", "ignore"],
    });
    this.#children.push(child);
    return child;
  }

  async #line(): Promise<string> {
    if (!this.#server) throw new Error("the server has not been started");
    const { child, lines } = this.#server;
    const ended = once(child, "exit").then(() => {
      throw new Error("the server ended");
    });
    ended.catch(() => undefined);
    const [line] = await Promise.race([once(lines, "line"), ended]);
    return String(line);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended in between.
  }
}

/** Why the lab cannot run here; `false` when it can. */
export function labProblem(...programs: string[]): string | false {
  if (process.getuid?.() !== 0) return "needs root for network namespaces";
  for (const program of programs) {
    try {
      execFileSync("which", [program], { stdio: "ignore" });
    } catch {
      return `needs ${program}`;
    }
  }
  return false;
}
