/**
 * A DHCP server and its clients on a simulated segment, with a clock that tests move: what the tests of
 * `service/dhcpd` play their conversations on.
 * @module
 */
import { IpAddress, ip, prefix } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import { milliseconds, minutes } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import type { BroadcastSocket } from "#io/datagram.ts";
import { Bus } from "#mailbox/bus.ts";
import type { SubnetOptions } from "#service/dhcpd/config.ts";
import type { CounterName } from "#service/dhcpd/counters.ts";
import { DhcpdService } from "#service/dhcpd/dhcpd-service.ts";
import { SimClock } from "#sim/clock.ts";
import { SimSegment } from "#sim/segment.ts";
import { SimDisk } from "#sim/store.ts";
import {
  DHCP4_CLIENT_PORT,
  DHCP4_MESSAGE_TYPES,
  DHCP4_SERVER_PORT,
  type Dhcp4Message,
  type Dhcp4MessageType,
  decodeDhcp4,
  encodeDhcp4,
  messageTypeOf,
  optionOf,
} from "#wire/dhcp4.ts";
import { decodeOptionValue, encodeOptionValue, specOfName } from "#wire/dhcp4-options.ts";

export interface WorldOptions {
  readonly subnet?: Partial<SubnetOptions>;
  /** Served beside the first. */
  readonly more?: readonly SubnetOptions[];
}

/** What a client puts into a message beside its type. */
export interface Asked {
  readonly xid?: number;
  readonly ciaddr?: string;
  readonly giaddr?: string;
  readonly broadcast?: boolean;
  /** By name, as `wire/dhcp4-options.ts` has them. */
  readonly options?: Readonly<Record<string, Value>>;
}

/** A reply as a client reads it. */
export interface Heard {
  readonly type: Dhcp4MessageType | undefined;
  readonly address: string;
  readonly message: Dhcp4Message;
  /** The value of an option. */
  option(name: string): Value | undefined;
}

const SUBNET: SubnetOptions = {
  interface: "lan0",
  server: ip("10.77.0.1"),
  subnet: prefix("10.77.0.0/24"),
  pool: [{ first: ip("10.77.0.100"), last: ip("10.77.0.103") }],
  dns: [ip("10.77.0.1")],
  domain: "lab.example",
  lease: minutes(10),
};

export class DhcpWorld {
  readonly clock: SimClock = new SimClock();
  readonly disk: SimDisk = new SimDisk({ clock: this.clock, commitTime: milliseconds(2) });
  readonly segment: SimSegment = new SimSegment({ clock: this.clock });
  readonly logged: string[] = [];
  readonly #options: WorldOptions;
  readonly #host = this.segment.attach({ name: "lan0", link: mac("02:00:00:00:00:01") });
  #bus = new Bus({ name: "dhcpd", clock: this.clock });
  #service: DhcpdService | undefined;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.#host.setAddress(SUBNET.server, SUBNET.subnet);
  }

  /** The server's bus, new after every start. */
  get bus(): Bus {
    return this.#bus;
  }

  async start(): Promise<this> {
    this.#bus = new Bus({ name: "dhcpd", clock: this.clock });
    this.#service = new DhcpdService({
      bus: this.#bus,
      clock: this.clock,
      store: this.disk.open(),
      sockets: [this.#host.openBroadcastSocket(DHCP4_SERVER_PORT)],
      config: { subnets: [{ ...SUBNET, ...this.#options.subnet }, ...(this.#options.more ?? [])] },
      log: (_level, text) => this.logged.push(text),
    });
    await this.#service.start();
    return this;
  }

  /** Kills the server: what the disk has not finished is lost. */
  async crash(): Promise<void> {
    this.disk.crash();
    await this.#service?.stop();
  }

  count(name: CounterName): number {
    return this.#service?.counters.get(name) ?? 0;
  }

  client(number: number): TestClient {
    return new TestClient(this, mac(`02:00:00:00:aa:${number.toString(16).padStart(2, "0")}`));
  }

  /** Lets everything that is due now, and within the next 10 ms, happen. */
  settle(): Promise<void> {
    return this.clock.advance(milliseconds(10));
  }
}

let nextXid = 1;

/** A client that says exactly what it is told, and hears what is sent to it or to everyone. */
export class TestClient {
  readonly mac: MacAddress;
  /** Told of every reply, beside {@link heard}. */
  hears: ((heard: Heard) => void) | undefined;
  readonly #world: DhcpWorld;
  readonly #socket: BroadcastSocket;
  #heard: Heard[] = [];

  constructor(world: DhcpWorld, link: MacAddress) {
    this.#world = world;
    this.mac = link;
    this.#socket = world.segment.attach({ name: String(link), link }).openBroadcastSocket(DHCP4_CLIENT_PORT);
    this.#socket.onDatagrams((batch) => {
      for (const { payload } of batch) {
        const message = decodeDhcp4(payload);
        if (message?.chaddr.every((byte, index) => byte === link.bytes[index])) {
          const heard = heardOf(message);
          this.#heard.push(heard);
          this.hears?.(heard);
        }
      }
    });
  }

  /** Sends raw bytes to the server's port. */
  sendBytes(payload: Uint8Array): void {
    this.#socket.send(payload, { address: ip("255.255.255.255"), port: DHCP4_SERVER_PORT });
  }

  /** Sends a message, without waiting for anything. */
  send(type: Dhcp4MessageType, asked: Asked = {}): void {
    this.sendBytes(encodeDhcp4(this.#message(type, asked)));
  }

  /** Sends a message and gives what is heard within 10 ms: the last reply, or `undefined`. */
  async ask(type: Dhcp4MessageType, asked: Asked = {}): Promise<Heard | undefined> {
    this.#heard = [];
    this.send(type, asked);
    await this.#world.settle();
    return this.#heard.at(-1);
  }

  /** What has been heard since the last question. */
  get heard(): readonly Heard[] {
    return this.#heard;
  }

  /** DISCOVER, and REQUEST of what was offered; the acknowledgement. */
  async join(options: Readonly<Record<string, Value>> = {}): Promise<Heard | undefined> {
    const offer = await this.ask("discover", { options });
    if (!offer) return undefined;
    return this.ask("request", { options: { ...options, ...choice(offer) } });
  }

  #message(type: Dhcp4MessageType, asked: Asked): Dhcp4Message {
    const options = { "message-type": DHCP4_MESSAGE_TYPES[type], ...asked.options };
    return {
      op: "request",
      htype: 1,
      hops: 0,
      xid: asked.xid ?? nextXid++,
      secs: 0,
      broadcast: asked.broadcast ?? false,
      ciaddr: ip(asked.ciaddr ?? "0.0.0.0").toUint32(),
      yiaddr: 0,
      siaddr: 0,
      giaddr: ip(asked.giaddr ?? "0.0.0.0").toUint32(),
      chaddr: this.mac.bytes,
      sname: new Uint8Array(0),
      file: new Uint8Array(0),
      options: Object.entries(options).map(([name, value]) => encodedOption(name, value)),
    };
  }
}

/** The options of a REQUEST that accepts an offer. */
export function choice(offer: Heard): Record<string, Value> {
  return { "requested-address": ip(offer.address), "server-identifier": ip("10.77.0.1") };
}

function encodedOption(name: string, value: Value): { code: number; data: Uint8Array } {
  const spec = specOfName(name);
  const data = spec && encodeOptionValue(spec.kind, value);
  if (!data) throw new TypeError(`option ${name} cannot be ${String(value)}`);
  return { code: spec.code, data };
}

function heardOf(message: Dhcp4Message): Heard {
  return {
    type: messageTypeOf(message),
    address: String(IpAddress.fromUint32(message.yiaddr)),
    message,
    option(name) {
      const spec = specOfName(name);
      const data = spec && optionOf(message, spec.code);
      return data && decodeOptionValue(spec.kind, data);
    },
  };
}
