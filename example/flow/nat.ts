/**
 * A stateful source NAT after mOS's sample: many clients behind one public address (RFC 3022), told apart by ports.
 * A client's port has one public port, whoever it talks to (RFC 4787 §4.1), which is free again when the last flow
 * that uses it has ended.
 *
 * @module
 */
import { BlockList } from "node:net";
import { defineEvent, type Flow, type FlowEnd, type FlowEngine, IpProtocol, type Side } from "metanet/flow";
import { formatIpv4, icmp, ipv4, type Packet, tcp, udp } from "metanet/script";
import { printLine } from "./text.ts";

export interface NatOptions {
  readonly print?: (line: string) => void;
  /** The clients' network. */
  readonly inside?: string;
  /** The address that others see. */
  readonly outside?: string;
  /** Which of its ports are given away, the first and the last. */
  readonly ports?: readonly [first: number, last: number];
}

/** A client's port, and what stands for it outside. Of ICMP's echoes the identifier is the port. */
interface Binding {
  readonly key: string;
  readonly address: string;
  readonly port: number;
  readonly outsidePort: number;
  flowCount: number;
}

/** Ports of one protocol. */
class PortPool {
  readonly #first: number;
  readonly #count: number;
  readonly #byClient = new Map<string, Binding>();
  readonly #byPort = new Map<number, Binding>();
  #next = 0;

  constructor([first, last]: readonly [number, number]) {
    this.#first = first;
    this.#count = last - first + 1;
  }

  get usedCount(): number {
    return this.#byPort.size;
  }

  /** Who has a port. */
  at(port: number): Binding | undefined {
    return this.#byPort.get(port);
  }

  /** A client's binding, perhaps a new one, for one flow more; `undefined` when no port is free. */
  take(address: string, port: number): Binding | undefined {
    const key = `${address} ${port}`;
    let binding = this.#byClient.get(key);
    if (binding === undefined) {
      const outsidePort = this.#freePort(port);
      if (outsidePort === undefined) return undefined;
      binding = { key, address, port, outsidePort, flowCount: 0 };
      this.#byClient.set(key, binding);
      this.#byPort.set(outsidePort, binding);
    }
    binding.flowCount++;
    return binding;
  }

  /** One flow less. */
  release(binding: Binding): void {
    if (--binding.flowCount > 0) return;
    this.#byClient.delete(binding.key);
    this.#byPort.delete(binding.outsidePort);
  }

  /** The client's own when it is in range and free, or the next one. */
  #freePort(wanted: number): number | undefined {
    if (wanted >= this.#first && wanted < this.#first + this.#count && !this.#byPort.has(wanted))
      return wanted;
    for (let tries = 0; tries < this.#count; tries++) {
      const port = this.#first + this.#next;
      this.#next = (this.#next + 1) % this.#count;
      if (!this.#byPort.has(port)) return port;
    }
    return undefined;
  }
}

/** What a flow is to the NAT: nothing when no port was free for it. */
interface Translation {
  readonly binding: Binding | undefined;
  readonly inside: Side;
}

const PROTOCOLS: readonly number[] = [IpProtocol.tcp, IpProtocol.udp, IpProtocol.icmp];

export class Nat {
  readonly #pools = new Map<number, PortPool>();
  readonly #hosts = new BlockList();
  readonly #outside: string;
  readonly #print: (line: string) => void;

  constructor(
    engine: FlowEngine,
    {
      print = printLine,
      inside = "192.168.0.0/24",
      outside = "203.0.113.1",
      ports = [20_000, 59_999],
    }: NatOptions = {},
  ) {
    this.#outside = outside;
    this.#print = print;
    for (const protocol of PROTOCOLS) this.#pools.set(protocol, new PortPool(ports));
    const [network = "", prefix] = inside.split("/");
    this.#hosts.addSubnet(network, Number(prefix));
    const filter = `ip and net ${inside} and not (src net ${inside} and dst net ${inside})`;
    const monitor = engine.monitor<Translation | undefined>({ name: "nat", filter });
    // Asked of each packet before connectionStart is: a flow's first packet is translated as well.
    const fromInside = defineEvent("packet", (flow: Flow<Translation | undefined>, { sender }) => {
      if (flow.context?.binding === undefined) flow.context = this.#begin(flow);
      return flow.context.inside === sender;
    });
    monitor.on(fromInside, "sender", (flow) => {
      const binding = flow.context?.binding;
      if (binding === undefined) flow.drop();
      else rewrite(flow.packet, "source", this.#outside, binding.outsidePort);
    });
    monitor.on("connectionEnd", "none", ({ protocol, context }) => {
      if (context?.binding !== undefined) this.#pools.get(protocol)?.release(context.binding);
    });
  }

  /** Public ports in use. */
  get usedPortCount(): number {
    return [...this.#pools.values()].reduce((sum, { usedCount }) => sum + usedCount, 0);
  }

  /**
   * Has to be asked of packets that come from outside before the engine sees them, so that it finds them to be of the
   * flows that it knows.
   * @returns whether a client gets the packet; its target is the client's then
   */
  admit(packet: Packet): boolean {
    const ip = packet.find(ipv4);
    if (ip === undefined || formatIpv4(ip.destination) !== this.#outside) return false;
    const port =
      ip.payload(tcp)?.destinationPort ?? ip.payload(udp)?.destinationPort ?? ip.payload(icmp)?.identifier;
    const binding = port === undefined ? undefined : this.#pools.get(ip.protocol)?.at(port);
    if (binding === undefined || ip.payload(icmp)?.isError === true) return false;
    rewrite(packet, "destination", binding.address, binding.port);
    return true;
  }

  /** Also of a flow that found no port free: there may be one now. */
  #begin({ client, server, protocol, context }: Flow<Translation | undefined>): Translation {
    const inside = this.#hosts.check(client.address) ? "client" : "server";
    const end: FlowEnd = inside === "client" ? client : server;
    const binding = this.#pools.get(protocol)?.take(end.address, end.port);
    const isNews = (context as Translation | undefined) === undefined;
    if (binding === undefined && isNews)
      this.#print(`no port is free for ${end.address}, protocol ${protocol}`);
    return { binding, inside };
  }
}

/** A NAT by itself, for `metanet flow run`: what comes from outside is known by its addresses of inside. */
export function nat(engine: FlowEngine, options: NatOptions = {}): Nat {
  return new Nat(engine, options);
}

/** The checksums of IP and of what it carries follow. */
function rewrite(packet: Packet, which: "source" | "destination", address: string, port: number): void {
  const ip = packet.find(ipv4);
  if (ip === undefined) return;
  ip[which] = address;
  const transport = ip.payload(tcp) ?? ip.payload(udp);
  if (transport !== undefined) transport[`${which}Port`] = port;
  const message = ip.payload(icmp);
  if (message !== undefined) message.identifier = port;
}
