/**
 * What the two sides of a socket handover say to each other: one JSON text each way, each in one message of a
 * SOCK_SEQPACKET socket, so that neither can be cut or run into the next.
 * @module
 */
import {
  ConfigurationError,
  LimitExceededError,
  type MetanetError,
  ProtocolViolationError,
  UnavailableError,
} from "#base/errors.ts";
import { decodeUtf8, encodeUtf8 } from "#base/utf8.ts";
import type { Refusal, RefusalReason, SocketRequest } from "#io/socket-handover.ts";

/** The longest message either way, in bytes; a longer one is refused as malformed. */
export const HANDOVER_BYTES_MAX = 4096;

const INTERFACE_NAME = /^[^\s/]{1,15}$/;

/** The user or the interface is not on the broker's list. */
export class SocketDeniedError extends ConfigurationError {
  override readonly code: string = "socket-denied";
}

export function encodeRequest(request: SocketRequest): Uint8Array {
  return encodeUtf8(JSON.stringify({ kind: request.kind, interface: request.interface }));
}

/** The request, or what is wrong with it. */
export function decodeRequest(bytes: Uint8Array): SocketRequest | string {
  const value = readObject(bytes);
  if (!value) return "not a JSON object";
  const { kind, interface: name, ...others } = value;
  if (kind !== "dhcp4") return "kind is not 'dhcp4'";
  if (typeof name !== "string" || !INTERFACE_NAME.test(name))
    return "interface is not a name of 1 to 15 characters";
  const [extra] = Object.keys(others);
  return extra === undefined ? { kind, interface: name } : `unknown key '${extra.slice(0, 40)}'`;
}

/** The answer with which the descriptors travel, or the one that says why there are none. */
export function encodeAnswer(refusal?: Pick<Refusal, "reason" | "message">): Uint8Array {
  if (!refusal) return encodeUtf8('{"granted":true}');
  const { reason, message } = refusal;
  return encodeUtf8(JSON.stringify({ granted: false, reason, message: message.slice(0, 500) }));
}

/** `undefined` when the request was granted, else the error to throw. */
export function decodeAnswer(bytes: Uint8Array): MetanetError | undefined {
  const value = readObject(bytes);
  if (value?.granted === true) return undefined;
  const message = typeof value?.message === "string" ? value.message : "the broker's answer cannot be read";
  return errorOf(
    value?.reason as RefusalReason | undefined,
    `Cannot get a socket from the broker: ${message}`,
  );
}

function errorOf(reason: RefusalReason | undefined, message: string): MetanetError {
  switch (reason) {
    case "denied":
      return new SocketDeniedError(message);
    case "busy":
      return new LimitExceededError(message);
    case "unavailable":
      return new UnavailableError(message);
    default:
      return new ProtocolViolationError(message);
  }
}

function readObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  const text = decodeUtf8(bytes);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
