/**
 * Many DHCP clients in one process, on one socket: each asks for broadcast replies, so that one socket hears them all.
 * @module
 */
import { IpAddress, ip } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { LinuxBroadcastSocket, openBroadcastDescriptors } from "#linux/datagram.ts";
import {
  DHCP4_CLIENT_PORT,
  DHCP4_MESSAGE_TYPES,
  DHCP4_SERVER_PORT,
  type Dhcp4Message,
  decodeDhcp4,
  encodeDhcp4,
  messageTypeOf,
  optionOf,
} from "#wire/dhcp4.ts";
import { DHCP4_OPTION } from "#wire/dhcp4-options.ts";

const EVERYONE = { address: ip("255.255.255.255"), port: DHCP4_SERVER_PORT };

export class MassClients {
  /** Hardware address to leased address, as acknowledged. */
  readonly acknowledged: Map<string, string> = new Map();
  readonly #renewed = new Set<string>();
  readonly #socket: LinuxBroadcastSocket;
  readonly #count: number;
  #waiting: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  #isRenewing = false;

  /** Call inside of the clients' namespace. */
  constructor(interfaceName: string, count: number) {
    const place = { interfaceName, port: DHCP4_CLIENT_PORT };
    const descriptors = openBroadcastDescriptors(place);
    this.#socket = new LinuxBroadcastSocket({ ...place, address: ip("0.0.0.0"), descriptors });
    this.#count = count;
    this.#socket.onDatagrams((batch) => {
      for (const { payload } of batch) this.#hear(payload);
    });
  }

  /** All clients ask for an address. */
  start(): void {
    for (let number = 0; number < this.#count; number++) {
      const { bytes } = new MacAddress(Uint8Array.of(2, 0, 0, 1, number >> 8, number & 255));
      this.#send(bytes, DHCP4_MESSAGE_TYPES.discover, []);
    }
  }

  /** All clients that have an address ask to keep it, as after a reboot. */
  renew(): void {
    this.#isRenewing = true;
    for (const [link, address] of this.acknowledged) {
      const requested = { code: DHCP4_OPTION["requested-address"], data: ip(address).bytes };
      this.#send(parse(link), DHCP4_MESSAGE_TYPES.request, [requested]);
    }
  }

  whenAcknowledged(count: number): Promise<void> {
    return this.#when(() => this.acknowledged.size >= count);
  }

  whenRenewed(count: number): Promise<void> {
    return this.#when(() => this.#renewed.size >= count);
  }

  close(): void {
    this.#socket.close();
  }

  #hear(payload: Uint8Array): void {
    const message = decodeDhcp4(payload);
    if (!message) return;
    const type = messageTypeOf(message);
    const address = IpAddress.fromUint32(message.yiaddr);
    const server = optionOf(message, DHCP4_OPTION["server-identifier"]);
    if (type === "offer" && server) {
      this.#send(message.chaddr, DHCP4_MESSAGE_TYPES.request, [
        { code: DHCP4_OPTION["requested-address"], data: address.bytes },
        { code: DHCP4_OPTION["server-identifier"], data: server },
      ]);
    } else if (type === "ack") {
      const link = String(new MacAddress(message.chaddr));
      if (this.#isRenewing && this.acknowledged.get(link) === String(address)) this.#renewed.add(link);
      this.acknowledged.set(link, String(address));
    }
    for (const { isDone, resolve } of this.#waiting) if (isDone()) resolve();
  }

  #when(isDone: () => boolean): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ isDone, resolve }));
  }

  #send(chaddr: Uint8Array, type: number, options: Dhcp4Message["options"]): void {
    const message: Dhcp4Message = {
      op: "request",
      htype: 1,
      hops: 0,
      xid: ((chaddr[4] ?? 0) << 8) | (chaddr[5] ?? 0),
      secs: 0,
      broadcast: true,
      ciaddr: 0,
      yiaddr: 0,
      siaddr: 0,
      giaddr: 0,
      chaddr,
      sname: new Uint8Array(0),
      file: new Uint8Array(0),
      options: [{ code: DHCP4_OPTION["message-type"], data: Uint8Array.of(type) }, ...options],
    };
    // Without a route there is no sending to an address, so to everyone on the link.
    this.#socket.sendToLink(encodeDhcp4(message), { ...EVERYONE, link: EVERY_LINK });
  }
}

const EVERY_LINK = new MacAddress(new Uint8Array(6).fill(0xff));

function parse(link: string): Uint8Array {
  return Uint8Array.from(link.split(":"), (digits) => Number.parseInt(digits, 16));
}
