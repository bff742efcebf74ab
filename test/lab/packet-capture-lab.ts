/**
 * The network of the capture's lab tests: this process's own namespace with `near`, and a host `far` behind it in a
 * namespace that ends with the process; real sockets speak to it.
 * @module
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { connect } from "node:net";
import { createNamespace, inNamespace, removeNamespace } from "#linux/namespace.ts";
import { FramePort, waitUntilUp } from "./frame-lab.ts";
import { enterOwnNamespace } from "./own-namespace.ts";

export const NEAR = "10.93.0.1";
export const FAR = "10.93.0.2";
export const DEVICE = "near0";
export const ECHO_PORT = 4007;
/** Echoes TCP and UDP. */
const ECHO = `
  require("node:net").createServer((socket) => socket.on("error", () => {}).pipe(socket)).listen(${ECHO_PORT}, () => {
    const udp = require("node:dgram").createSocket("udp4");
    udp.on("message", (bytes, { address, port }) => udp.send(bytes, port, address));
    udp.bind(${ECHO_PORT}, () => console.log("ready"));
  });`;

export class CaptureNet {
  readonly far: string = `capture-f-${process.pid}`;
  readonly #onExit = (): void => this.close();
  #port: FramePort | undefined;
  #echo: ChildProcess | undefined;

  constructor() {
    enterOwnNamespace();
    process.once("exit", this.#onExit);
    createNamespace(this.far);
    for (const prefix of [[], ["ip", "netns", "exec", this.far]]) {
      const quiet = ["net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"];
      const [program = "", ...rest] = [...prefix, "sysctl", "-qw", ...quiet];
      execFileSync(program, rest);
    }
    ip(`link add ${DEVICE} type veth peer name eth0 netns ${this.far}`);
    ip(`address add ${NEAR}/24 dev ${DEVICE}`);
    ip(`-n ${this.far} address add ${FAR}/24 dev eth0`);
    ip(`link set ${DEVICE} up`);
    ip(`-n ${this.far} link set eth0 up`);
    ip(`-n ${this.far} link set lo up`);
    waitUntilUp([DEVICE]);
    waitUntilUp(["eth0"], ["-n", this.far]);
  }

  /** Sends frames that arrive at `near`. */
  send(...frames: readonly Uint8Array[]): void {
    this.#port ??= inNamespace(this.far, () => new FramePort("eth0"));
    this.#port.send(...frames);
  }

  /** Starts the far host's echo server, once. */
  async startEcho(): Promise<void> {
    if (this.#echo) return;
    const words = ["netns", "exec", this.far, process.execPath, "-e", ECHO];
    const child = spawn("ip", words, { stdio: ["ignore", "pipe", "inherit"] });
    this.#echo = child;
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("exit", () => reject(new Error("the echo server has ended")));
    });
  }

  /** Sends bytes there and back over one TCP connection. */
  async echo(bytes: Uint8Array): Promise<Uint8Array> {
    const socket = connect({ host: FAR, port: ECHO_PORT });
    const parts: Buffer[] = [];
    let seen = 0;
    await new Promise<void>((resolve, reject) => {
      socket.on("data", (part) => {
        parts.push(part);
        seen += part.length;
        if (seen === bytes.length) socket.end();
      });
      socket.once("error", reject);
      socket.once("close", () => resolve());
      socket.write(bytes);
    });
    return Buffer.concat(parts);
  }

  close(): void {
    process.off("exit", this.#onExit);
    this.#port?.close();
    this.#echo?.removeAllListeners("exit").kill("SIGKILL");
    removeNamespace(this.far);
  }
}

export function ip(words: string): string {
  return execFileSync("ip", words.split(" "), { encoding: "utf8", stdio: "pipe" });
}
