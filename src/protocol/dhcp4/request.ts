/**
 * What a client's message asks for: RFC 2131 table 4 (which fields a DHCPREQUEST has in which state), section 4.2
 * (who the client is) and sections 4.3.4 and 4.3.5.
 * @module
 */
import { formatHex } from "#base/hex.ts";
import { type Dhcp4Message, messageTypeOf, optionOf } from "#wire/dhcp4.ts";
import { DHCP4_OPTION } from "#wire/dhcp4-options.ts";

/**
 * `renewing` stands for REBINDING too: on the wire they differ only in how the packet was addressed, and one
 * answer fits both.
 */
export type RequestKind =
  | "discover"
  | "selecting"
  | "init-reboot"
  | "renewing"
  | "release"
  | "decline"
  | "inform";

/** A client's message, understood. */
export interface ClientRequest {
  readonly kind: RequestKind;
  readonly message: Dhcp4Message;
  /** Who asks; see {@link clientKeyOf}. */
  readonly clientKey: string;
  /** The address it is about: wanted, leased, given back, found in use; 0 when a DISCOVER names none. */
  readonly address: number;
}

/** Why a message is passed over in silence. */
export type Ignored = "reply" | "type" | "identity" | "fields" | "other-server";

/** A DHCPREQUEST that chose another server, and so gives our offer back (RFC 2131 section 3.1 step 4). */
export interface Declined {
  readonly ignored: Ignored;
  readonly clientKey?: string;
}

const { "client-id": CLIENT_ID, "requested-address": REQUESTED, "server-identifier": SERVER } = DHCP4_OPTION;

/** What `message` asks of the servers that `isOurs` knows; or why it is none of their business. */
export function readRequest(
  message: Dhcp4Message,
  isOurs: (serverAddress: number) => boolean,
): ClientRequest | Declined {
  if (message.op !== "request") return { ignored: "reply" };
  const type = messageTypeOf(message);
  if (type === undefined || type === "offer" || type === "ack" || type === "nak") return { ignored: "type" };
  const clientKey = clientKeyOf(message);
  if (clientKey === undefined) return { ignored: "identity" };
  const requested = addressOption(message, REQUESTED);
  const server = addressOption(message, SERVER);
  if (requested === undefined || server === undefined) return { ignored: "fields" };
  const { ciaddr } = message;
  if (type === "discover") return { kind: "discover", message, clientKey, address: requested };
  if (server !== 0 && !isOurs(server)) return { ignored: "other-server", clientKey };
  switch (type) {
    case "request":
      if (server !== 0) return wanting("selecting", message, clientKey, requested || ciaddr);
      if (ciaddr === 0) return wanting("init-reboot", message, clientKey, requested);
      return wanting("renewing", message, clientKey, ciaddr);
    case "release":
      return wanting("release", message, clientKey, ciaddr);
    case "decline":
      return wanting("decline", message, clientKey, requested);
    case "inform":
      return wanting("inform", message, clientKey, ciaddr);
  }
}

/** Everything but a DISCOVER must be about an address. */
function wanting(
  kind: RequestKind,
  message: Dhcp4Message,
  clientKey: string,
  address: number,
): ClientRequest | Declined {
  return address === 0 ? { ignored: "fields" } : { kind, message, clientKey, address };
}

/**
 * The client's identity as a key: its client identifier where it gives one, else its hardware address
 * (RFC 2131 section 4.2); `undefined` when it has neither.
 */
export function clientKeyOf(message: Dhcp4Message): string | undefined {
  const id = optionOf(message, CLIENT_ID);
  if (id && id.length > 0) return `id:${formatHex(id)}`;
  const { htype, chaddr } = message;
  if (chaddr.length === 0 || chaddr.every((byte) => byte === 0)) return undefined;
  return `hw:${htype}:${formatHex(chaddr)}`;
}

/** An address option: 0 when absent, `undefined` when it is not four bytes long. */
function addressOption(message: Dhcp4Message, code: number): number | undefined {
  const data = optionOf(message, code);
  if (data === undefined) return 0;
  const [a, b, c, d] = data;
  if (data.length !== 4 || a === undefined || b === undefined || c === undefined || d === undefined)
    return undefined;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
