/**
 * What a server's message looks like and where it goes: RFC 2131 tables 3 and 4.1, RFC 3046 section 2.2 (relay agent
 * information comes back as it came), RFC 6842 (so does the client identifier).
 * @module
 */
import {
  DHCP4_BYTES_EVERYONE,
  DHCP4_MESSAGE_TYPES,
  type Dhcp4Message,
  type Dhcp4Option,
  optionOf,
} from "#wire/dhcp4.ts";
import { DHCP4_OPTION } from "#wire/dhcp4-options.ts";

export type ReplyType = "offer" | "ack" | "nak";

/** What the reply says beside what the request determines. */
export interface ReplyContent {
  readonly type: ReplyType;
  /** The server identifier, unsigned 32-bit. */
  readonly server: number;
  /** The client's address; 0 in a NAK and in the answer to an INFORM. */
  readonly address: number;
  /** Options by code: what the client asked for first and in its order, then the rest (RFC 2131 section 4.3.1). */
  readonly options: ReadonlyMap<number, Uint8Array>;
  /** Codes that go out even when the client did not ask for them; without its list, everything does. */
  readonly always: ReadonlySet<number>;
}

/** How the reply travels (RFC 2131 section 4.1). */
export type ReplyTarget =
  | { readonly to: "relay"; readonly address: number }
  | { readonly to: "client"; readonly address: number }
  | { readonly to: "everyone" }
  | { readonly to: "hardware"; readonly address: number; readonly chaddr: Uint8Array };

const {
  "message-type": MESSAGE_TYPE,
  "server-identifier": SERVER,
  "parameter-request-list": PARAMETERS,
  "maximum-message-size": SIZE,
  "client-id": CLIENT_ID,
  "relay-agent-information": RELAY,
} = DHCP4_OPTION;

/** The reply to `request`. */
export function makeReply(request: Dhcp4Message, content: ReplyContent): Dhcp4Message {
  const isNak = content.type === "nak";
  return {
    op: "reply",
    htype: request.htype,
    hops: 0,
    xid: request.xid,
    secs: 0,
    // A relay has nobody to unicast a NAK to: it must broadcast it (RFC 2131 section 4.3.2).
    broadcast: request.broadcast || (isNak && request.giaddr !== 0),
    ciaddr: content.type === "ack" ? request.ciaddr : 0,
    yiaddr: content.address,
    siaddr: 0,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: NOTHING,
    file: NOTHING,
    options: optionsOf(request, content),
  };
}

const NOTHING = new Uint8Array(0);

function optionsOf(
  request: Dhcp4Message,
  { type, server, options, always }: ReplyContent,
): readonly Dhcp4Option[] {
  const list: Dhcp4Option[] = [
    { code: MESSAGE_TYPE, data: TYPE_DATA[type] },
    { code: SERVER, data: uint32Data(server) },
  ];
  const wanted = type === "nak" ? undefined : optionOf(request, PARAMETERS);
  if (wanted) {
    for (const code of new Set(wanted)) {
      const data = options.get(code);
      if (data) list.push({ code, data });
    }
  }
  for (const [code, data] of options) {
    if (!wanted || (always.has(code) && !wanted.includes(code))) list.push({ code, data });
  }
  for (const code of [CLIENT_ID, RELAY]) {
    const data = optionOf(request, code);
    if (data) list.push({ code, data });
  }
  return list;
}

const TYPE_DATA: Record<ReplyType, Uint8Array> = {
  offer: Uint8Array.of(DHCP4_MESSAGE_TYPES.offer),
  ack: Uint8Array.of(DHCP4_MESSAGE_TYPES.ack),
  nak: Uint8Array.of(DHCP4_MESSAGE_TYPES.nak),
};

/** An unsigned 32-bit integer as an option's data. */
export function uint32Data(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** Where the reply to `request` goes. */
export function replyTarget(
  request: Dhcp4Message,
  content: Pick<ReplyContent, "type" | "address">,
): ReplyTarget {
  if (request.giaddr !== 0) return { to: "relay", address: request.giaddr };
  if (content.type === "nak") return { to: "everyone" };
  if (request.ciaddr !== 0) return { to: "client", address: request.ciaddr };
  // Only Ethernet's six bytes can be a frame's target.
  if (request.broadcast || request.chaddr.length !== 6) return { to: "everyone" };
  return { to: "hardware", address: content.address, chaddr: request.chaddr };
}

const IP_AND_UDP_HEADER_BYTES = 28;

/**
 * The longest UDP payload the client takes: its option 57 counts the whole IP packet (RFC 2132 section 9.10), less
 * than 576 is taken for 576, and `linkMax` is what the interface carries.
 */
export function replyBytesMax(request: Dhcp4Message, linkMax: number): number {
  const data = optionOf(request, SIZE);
  const [high, low] = data ?? NOTHING;
  if (data?.length !== 2 || high === undefined || low === undefined) return DHCP4_BYTES_EVERYONE;
  return Math.min(linkMax, Math.max(DHCP4_BYTES_EVERYONE, ((high << 8) | low) - IP_AND_UDP_HEADER_BYTES));
}
