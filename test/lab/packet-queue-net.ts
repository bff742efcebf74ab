/**
 * A client and a server joined by a router, and beside it two hosts on a bridge of the router's; the test
 * process is the router: `client eth0 - lan0 router wan0 - eth0 server`, `left eth0 - port0 br0 port1 - eth0
 * right`. Packets are sent and received on sockets of this process that stand in the hosts' namespaces.
 * @module
 */
import { execFileSync } from "node:child_process";
import { ip } from "#base/ip-address.ts";
import { createNamespace, inNamespace, removeNamespace } from "#linux/namespace.ts";
import { native } from "#linux/native.ts";
import { encodeInt } from "#linux/socket-address.ts";
import {
  AF_INET,
  AF_INET6,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from "#linux/socket-constants.ts";
import { LITTLE_ENDIAN } from "#wire/netlink.ts";
import { enterOwnNamespace } from "./own-namespace.ts";

export type Version = 4 | 6;
export const CLIENT: Record<Version, string> = { 4: "10.91.1.2", 6: "fd91:1::2" };
export const SERVER: Record<Version, string> = { 4: "10.91.2.2", 6: "fd91:2::2" };
export const LEFT = "10.92.0.1";
export const RIGHT = "10.92.0.2";

export class PacketQueueNet {
  readonly client: string = `queue-c-${process.pid}`;
  readonly server: string = `queue-s-${process.pid}`;
  readonly left: string = `queue-l-${process.pid}`;
  readonly right: string = `queue-r-${process.pid}`;
  readonly #sockets: number[] = [];
  #isClosed = false;

  constructor() {
    enterOwnNamespace();
    // A run that is broken off leaves nothing behind either.
    process.once("exit", () => this.close());
    for (const name of this.#names) createNamespace(name);
    run("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0");
    this.#join("lan0", this.client, ["10.91.1.1/24", "fd91:1::1/64"], [`${CLIENT[4]}/24`, `${CLIENT[6]}/64`]);
    this.#join("wan0", this.server, ["10.91.2.1/24", "fd91:2::1/64"], [`${SERVER[4]}/24`, `${SERVER[6]}/64`]);
    for (const [name, net] of [
      [this.client, 1],
      [this.server, 2],
    ]) {
      run(`ip -n ${name} route add default via 10.91.${net}.1`);
      run(`ip -n ${name} -6 route add default via fd91:${net}::1`);
    }
    run("ip link add br0 type bridge");
    run("ip link set br0 up");
    this.#join("port0", this.left, [], [`${LEFT}/24`]);
    this.#join("port1", this.right, [], [`${RIGHT}/24`]);
    for (const port of ["port0", "port1"]) run(`ip link set ${port} master br0`);
  }

  get #names(): string[] {
    return [this.client, this.server, this.left, this.right];
  }

  #join(name: string, host: string, own: readonly string[], theirs: readonly string[]): void {
    run(`ip link add ${name} type veth peer name eth0 netns ${host}`);
    for (const address of own) run(`ip address add ${address} dev ${name}${nodad(address)}`);
    for (const address of theirs) run(`ip -n ${host} address add ${address} dev eth0${nodad(address)}`);
    run(`ip link set ${name} up`);
    run(`ip -n ${host} link set eth0 up`);
    run(`ip -n ${host} link set lo up`);
  }

  /** Whether checksums and segments are left to the hardware, on every interface. */
  setOffload(isOn: boolean): void {
    const state = isOn ? "on" : "off";
    const each = `tx ${state} tso ${state} gso ${state} gro ${state}`;
    for (const name of ["lan0", "wan0", "port0", "port1"]) run(`ethtool -K ${name} ${each}`);
    for (const name of this.#names) run(`ip netns exec ${name} ethtool -K eth0 ${each}`);
  }

  /** A UDP socket in a host's namespace. */
  udp(host: string, address: string, port: number): UdpHost {
    const socket = inNamespace(host, () => new UdpHost(address, port));
    this.#sockets.push(socket.fd);
    return socket;
  }

  /** A UDP socket of the router. */
  ownUdp(address: string, port: number): UdpHost {
    const socket = new UdpHost(address, port);
    this.#sockets.push(socket.fd);
    return socket;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const fd of this.#sockets) native().close(fd);
    for (const name of this.#names) removeNamespace(name);
  }
}

/** A socket that is asked, and never waits. */
export class UdpHost {
  readonly fd: number;
  readonly #buffer = new Uint8Array(65_536);

  constructor(address: string, port: number) {
    const at = socketAddress(address, port);
    this.fd = native().socket(at.length === 16 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    native().setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, encodeInt(1 << 20));
    native().bind(this.fd, at);
  }

  send(address: string, port: number, text: string | Uint8Array): void {
    const bytes = typeof text === "string" ? Uint8Array.from(Buffer.from(text)) : text;
    native().send(this.fd, bytes, 0, socketAddress(address, port));
  }

  /** Everything that has come. */
  received(): string[] {
    const texts: string[] = [];
    for (;;) {
      const lengthBytes = native().receive(this.fd, this.#buffer, 0);
      if (lengthBytes < 0) return texts;
      texts.push(Buffer.from(this.#buffer.subarray(0, lengthBytes)).toString());
    }
  }

  /** Waits until `count` datagrams have come, and a moment longer for one too many; ten seconds at most. */
  async receive(count: number): Promise<string[]> {
    const texts: string[] = [];
    const end = Date.now() + 10_000;
    do {
      await new Promise((resolve) => setTimeout(resolve, 5));
      texts.push(...this.received());
    } while (texts.length < count && Date.now() < end);
    await new Promise((resolve) => setTimeout(resolve, 20));
    return [...texts, ...this.received()];
  }
}

function socketAddress(text: string, port: number): Uint8Array {
  const address = ip(text);
  const isFour = address.bytes.length === 4;
  const bytes = new Uint8Array(isFour ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isFour ? AF_INET : AF_INET6, LITTLE_ENDIAN);
  view.setUint16(2, port);
  bytes.set(address.bytes, isFour ? 4 : 8);
  return bytes;
}

/** Words without quoting; never through a shell. */
export function run(line: string): string {
  const [program = "", ...args] = line.split(" ");
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function nodad(address: string): string {
  return address.includes(":") ? " nodad" : "";
}
