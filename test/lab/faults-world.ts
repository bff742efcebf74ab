/**
 * The lab's network with `metanet up` on its gateway, for tests of faults: processes are killed and stopped by their
 * pids, and what the services and the kernel say afterwards is compared.
 * @module
 */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { milliseconds } from "#base/time.ts";
import { CLIENTS, GATEWAY, INTERNET } from "../../src/app/lab/address-plan.ts";
import type { RunResult } from "../../src/app/lab/command-line.ts";
import { METANET, type RunningGateway, startGateway } from "../../src/app/lab/gateway.ts";
import { startInternet } from "../../src/app/lab/internet.ts";
import type { LabHost } from "../../src/app/lab/lab-host.ts";
import { type LabPlace, ownerStamp, removePlace } from "../../src/app/lab/lab-place.ts";
import type { LabProcess } from "../../src/app/lab/lab-process.ts";
import { type Answer, fetchPage, formsOf } from "../../src/app/lab/portal-visit.ts";
import { buildTopology, type Topology } from "../../src/app/lab/topology.ts";
import { type Node, node } from "../../src/app/node.ts";
import { readState, startTicksOf } from "../../src/app/supervisor/state-file.ts";

/** A web site outside, by its address: nobody has to resolve a name. */
export const SITE: string = `http://${INTERNET.organisation.four}/`;
export const PORTAL: { readonly host: string; readonly port: number } = {
  host: GATEWAY.inside.four,
  port: GATEWAY.portalPort,
};
export const FORWARDING = "/proc/sys/net/ipv4/ip_forward";
/** Room in the state folder. */
const STATE_BYTES = "6m";

export type Service = "firewall" | "dhcpd" | "portald";
export const SERVICES: readonly Service[] = ["firewall", "dhcpd", "portald"];

/** Who may pass by the firewall's own maps, and who is logged in. */
export interface Doors {
  readonly permitted: readonly string[];
  readonly sessions: readonly string[];
}

export class FaultsWorld {
  readonly place: LabPlace;
  readonly #hosts: LabHost[] = [];
  #topology: Topology | undefined;
  #gateway: RunningGateway | undefined;
  #bus: Node | undefined;
  #building: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor() {
    // The name and the owner are a lab's, so that the next lab removes what a killed test leaves.
    const work = join(tmpdir(), `metanet-lab-${process.pid}`);
    mkdirSync(work);
    chmodSync(work, 0o755);
    writeFileSync(join(work, "owner"), `${ownerStamp()}\n`);
    // A run that is broken off leaves nothing behind either.
    for (const signal of ["SIGINT", "SIGTERM"])
      process.once(signal, () => void this.close().finally(() => process.exit(1)));
    const run = join(work, "run");
    this.place = { id: String(process.pid), work, run, state: join(work, "state"), kept: work };
  }

  /** Machines, wires, the web site, and a small disk for the gateway's state. */
  build(): Promise<void> {
    this.#building = this.#build();
    return this.#building;
  }

  async #build(): Promise<void> {
    this.#topology = await buildTopology(this.place, CLIENTS.slice(0, 2), (host) => this.#hosts.push(host));
    await startInternet(this.#topology.internet);
    mkdirSync(this.place.state);
    const disk = ["-t", "tmpfs", "-o", `size=${STATE_BYTES},mode=755`, "tmpfs", this.place.state];
    await this.gateway.run("mount", disk);
  }

  get gateway(): LabHost {
    if (!this.#topology) throw new TypeError("the world is not built");
    return this.#topology.gateway;
  }

  client(number: 1 | 2): LabHost {
    const host = this.#topology?.clients.get(`client${number}`);
    if (!host) throw new TypeError("the world is not built");
    return host;
  }

  get configurationFile(): string {
    return join(this.place.work, "gateway.yaml");
  }

  /** Starts the gateway as an operator does, and waits until every service is ready. */
  async up(single = false): Promise<void> {
    this.#gateway = await startGateway(this.gateway, this.place, { single, idle: "10m" });
  }

  /** The process of `metanet up`. */
  get supervisor(): LabProcess {
    if (!this.#gateway) throw new TypeError("the gateway was not started");
    return this.#gateway.process;
  }

  /** Kills what is named at once, the way the kernel does when memory is short; waits until it is gone. */
  async kill(...names: readonly (Service | "supervisor")[]): Promise<void> {
    const pids = names.map((name) => this.pid(name));
    for (const pid of pids) process.kill(pid, "SIGKILL");
    for (const pid of pids) await gone(pid);
  }

  /** How `metanet` is run on the gateway. */
  command(args: readonly string[]): {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  } {
    return { command: process.execPath, args: [METANET, ...args], env: { METANET_RUN: this.place.run } };
  }

  /** Runs `metanet` on the gateway to its end. */
  metanet(given: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<RunResult> {
    const { command, args, env } = this.command(given);
    return this.gateway.run(command, args, {
      env: { ...env, ...more },
      accept: "any",
      timeout: milliseconds(30_000),
    });
  }

  /** The pid of a service, or of the supervisor; 0 when it does not run. */
  pid(name: Service | "supervisor"): number {
    const state = readState(this.place.run);
    if (name === "supervisor") return state?.pid ?? 0;
    return state?.services.find((service) => service.name === name)?.pid ?? 0;
  }

  /** Waits until every service is ready and answers; how long that took, in milliseconds. */
  async settled(withinMs = 15_000): Promise<number> {
    const begin = performance.now();
    await eventually(withinMs, () => {
      const services = readState(this.place.run)?.services ?? [];
      return services.length === SERVICES.length && services.every(({ state }) => state === "ready");
    });
    for (const name of SERVICES) {
      const left = withinMs - (performance.now() - begin);
      await eventually(left, () => this.ask(`${name}:/sys/statistics`).then(Boolean));
    }
    return performance.now() - begin;
  }

  /** This process on the gateway's bus. */
  async bus(): Promise<Node> {
    this.#bus ??= await node(`faults-${process.pid}`, { directory: this.place.run });
    return this.#bus;
  }

  /** Calls a mailbox; `undefined` when there is no answer within a second. */
  async ask(to: string, message: object = {}): Promise<Record<string, unknown> | undefined> {
    const bus = await this.bus();
    try {
      return (await bus.call(to, message as never, { timeout: milliseconds(1000) })).toObject();
    } catch {
      return undefined;
    }
  }

  /** Leases that are bound, as `hardware address address`. */
  async leases(): Promise<string[]> {
    const found: string[] = [];
    let after: unknown;
    do {
      const page = await this.ask("dhcpd:/dhcpd/leases", { state: "bound", ...(after ? { after } : {}) });
      const addresses = list(page, "address");
      const links = list(page, "chaddr");
      found.push(...addresses.map((address, index) => `${links[index]} ${address}`));
      after = page?.next;
    } while (after !== undefined);
    return found.sort();
  }

  async doors(): Promise<Doors> {
    const [counters, sessions] = await Promise.all([
      this.ask("firewall:/firewall/counters"),
      this.ask("portald:/portald/sessions"),
    ]);
    return { permitted: list(counters, "mac").sort(), sessions: list(sessions, "mac").sort() };
  }

  /** Bytes of a client's session, up and down. */
  async usage(mac: string): Promise<number> {
    const sessions = await this.ask("portald:/portald/sessions");
    const index = list(sessions, "mac").indexOf(mac);
    const bytes = (tag: string): number => Number(list(sessions, tag)[index] ?? Number.NaN);
    return bytes("up-bytes") + bytes("down-bytes");
  }

  async statistic(of: "dhcpd" | "portald", name: string): Promise<number> {
    const answer = await this.ask(`${of}:/${of}/statistics`);
    if (of === "portald") return Number(answer?.[name]);
    return Number(list(answer, "count")[list(answer, "counter").indexOf(name)]);
  }

  /** The tables of the gateway's kernel. */
  async tables(): Promise<string[]> {
    const { stdout } = await this.gateway.run("nft", ["list", "tables"]);
    return stdout.trim().split("\n").filter(Boolean).sort();
  }

  /** Whether the gateway's kernel forwards. */
  async forwards(): Promise<boolean> {
    return (await this.gateway.run("cat", [FORWARDING])).stdout.trim() === "1";
  }

  /** All that the gateway's processes have logged. */
  log(): string {
    return readFileSync(join(this.gateway.folder, "metanet.log"), "utf8");
  }

  /** Removes everything; asking again waits for the same removal. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#bus?.close();
    // What is being built when a test is broken off is removed with the rest.
    await this.#building.catch(() => undefined);
    for (const host of this.#hosts.splice(0).reverse()) await host.remove().catch(() => undefined);
    removePlace(this.place);
  }
}

/** A download that drips a line every 100 ms; tells the longest silence it saw. */
export class Drip {
  readonly #process: LabProcess;
  readonly #off: () => void;
  #last = performance.now();
  #longest = 0;

  static async start(host: LabHost): Promise<Drip> {
    const process_ = await host.start("drip", "curl", ["-sN", `${SITE}drip`]);
    await process_.line(/^drip 1$/, milliseconds(5000));
    return new Drip(process_);
  }

  private constructor(process_: LabProcess) {
    this.#process = process_;
    this.#off = process_.onLine(() => {
      const now = performance.now();
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
    });
  }

  /** The longest time without a line since this was asked last, in milliseconds. */
  silence(): number {
    const longest = Math.max(this.#longest, performance.now() - this.#last);
    this.#longest = 0;
    return longest;
  }

  get isOver(): boolean {
    return this.#process.exit !== undefined;
  }

  async stop(): Promise<void> {
    this.#off();
    await this.#process.stop();
  }
}

/** Clicks the login page's button; what the portal answers, with a browser's patience. */
export async function click(host: LabHost): Promise<Answer> {
  const login = `http://${PORTAL.host}:${PORTAL.port}/login`;
  const [form] = formsOf((await fetchPage(host, login)).body);
  if (!form) throw new Error("the login page has no form");
  const fields = form.fields.flatMap(([name, value]) => ["--data-urlencode", `${name}=${value}`]);
  const target = new URL(form.action, login);
  return await fetchPage(host, target.href, ["-m", "9", ...fields, "-H", `Origin: ${target.origin}`]);
}

/** Asks until the answer is yes; throws when it never was. */
export async function eventually(
  withinMs: number,
  isSo: () => boolean | Promise<boolean>,
  what: () => string = () => isSo.toString(),
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${Math.round(withinMs)} ms: ${what()}`);
    await pause(25);
  }
}

/** Waits for the end of a process that is not our child. */
export async function gone(pid: number, withinMs = 5000): Promise<void> {
  const ticks = startTicksOf(pid);
  await eventually(withinMs, () => ticks === undefined || startTicksOf(pid) !== ticks);
}

function list(answer: Record<string, unknown> | undefined, tag: string): string[] {
  const value = answer?.[tag];
  return Array.isArray(value) ? value.map(String) : [];
}
