/**
 * A client, a gateway and a server, each in a network namespace: `client c0 - lan0 gateway wan0 - s0 server`. The
 * test process is the gateway. The server knows no way back to the clients' IPv4 network, so IPv4 works only with
 * address translation; IPv6 is routed.
 * @module
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { createNamespace, removeNamespace } from "#linux/namespace.ts";
import { enterOwnNamespace } from "./own-namespace.ts";

export const CLIENT_MAC = "02:00:00:00:00:c1";
export const CLIENT = { 4: "10.77.0.100", 6: "2001:db8:77::100" } as const;
export const GATEWAY = { 4: "10.77.0.1", 6: "2001:db8:77::1" } as const;
export const SERVER = { 4: "203.0.113.10", 6: "2001:db8:99::10" } as const;

export interface Finished {
  readonly code: number;
  readonly output: string;
}

export class GatewayNet {
  readonly client: string = `mn-fw-c-${process.pid}`;
  readonly server: string = `mn-fw-s-${process.pid}`;
  readonly #children: ChildProcess[] = [];
  #closed = false;

  constructor() {
    enterOwnNamespace();
    // A run that is broken off leaves nothing behind either.
    process.once("exit", () => this.close());
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
    for (const name of [this.client, this.server]) createNamespace(name);
    this.#ip(`link add lan0 type veth peer name c0 netns ${this.client}`);
    this.#ip(`link add wan0 type veth peer name s0 netns ${this.server}`);
    this.#address("lan0", `${GATEWAY[4]}/24`, `${GATEWAY[6]}/64`);
    this.#address("wan0", "203.0.113.1/24", "2001:db8:99::1/64");
    this.#ip(`link set c0 address ${CLIENT_MAC}`, this.client);
    this.#address("c0", `${CLIENT[4]}/24`, `${CLIENT[6]}/64`, this.client);
    this.#address("s0", `${SERVER[4]}/24`, `${SERVER[6]}/64`, this.server);
    this.#ip(`route add default via ${GATEWAY[4]}`, this.client);
    this.#ip(`route add default via ${GATEWAY[6]}`, this.client);
    this.#ip("route add default via 2001:db8:99::1", this.server);
    execFileSync("sysctl", ["-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
  }

  /** Runs a program on the client; never fails, whatever its exit code. */
  onClient(program: string, ...args: string[]): Promise<Finished> {
    return run("ip", ["netns", "exec", this.client, program, ...args]);
  }

  /** Runs a program in the gateway's namespace. */
  onGateway(program: string, ...args: string[]): Promise<Finished> {
    return run(program, args);
  }

  /** Runs JavaScript in a namespace until {@link close}; ready when it has printed its first line. */
  async start(namespace: string, script: string): Promise<ChildProcess> {
    const child = spawn("ip", ["netns", "exec", namespace, process.execPath, "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#children.push(child);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    return child;
  }

  /** Whether the server answers the client: one of two pings, within half a second. */
  async reaches(family: 4 | 6, source?: string): Promise<boolean> {
    const from = source === undefined ? [] : ["-I", source];
    const target = SERVER[family];
    const { code } = await this.onClient(
      "ping",
      `-${family}`,
      ...from,
      "-c2",
      "-i0.2",
      "-W0.5",
      "-q",
      target,
    );
    return code === 0;
  }

  /** What a web page says, or the exit code of curl. */
  async page(host: string, port = 80): Promise<string | number> {
    const name = host.includes(":") ? `[${host}]` : host;
    const { code, output } = await this.onClient("curl", "-gsm1", `http://${name}:${port}/`);
    return code === 0 ? output : code;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const child of this.#children) child.kill("SIGKILL");
    for (const name of [this.client, this.server]) removeNamespace(name);
  }

  #address(link: string, v4: string, v6: string, namespace?: string): void {
    this.#ip(`address add ${v4} dev ${link}`, namespace);
    this.#ip(`address add ${v6} dev ${link} nodad`, namespace);
    this.#ip(`link set ${link} up`, namespace);
    this.#ip("link set lo up", namespace);
  }

  #ip(line: string, namespace?: string): void {
    execFileSync("ip", [...(namespace === undefined ? [] : ["-netns", namespace]), ...line.split(" ")]);
  }
}

function run(program: string, args: readonly string[]): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(program, args, (error, stdout) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, output: stdout });
    });
  });
}
