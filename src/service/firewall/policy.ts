/**
 * What the broker agrees to, before it asks the kernel: everything that is not allowed here is refused.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Duration } from "#base/time.ts";
import type { FirewallConfig } from "./config.ts";

/** What a permit is asked for. */
export interface PermitRequest {
  readonly mac: MacAddress;
  readonly address: IpAddress;
  readonly mark: number;
  readonly timeout?: Duration | undefined;
  readonly interface?: string | undefined;
}

/** The part of the configuration that says what is allowed. */
export type Policy = Pick<FirewallConfig, "inside" | "prefixes" | "marks" | "timeoutMax">;

/** A permit the policy does not allow. */
export class RefusedError extends ConfigurationError {
  override readonly code: string = "refused-by-policy";
}

/** Below a second the round trip to the kernel is no longer small against it. */
const TIMEOUT_MILLISECONDS_MIN = 1000;

/** Why a permit is refused, or `undefined` when it is allowed. */
export function refusal(policy: Policy, request: PermitRequest): string | undefined {
  const { mac, address, mark, timeout } = request;
  if (request.interface !== undefined && request.interface !== policy.inside) {
    return `interface '${request.interface}' is not the inside interface ${policy.inside}`;
  }
  if (((mac.bytes[0] ?? 1) & 1) === 1) return `${mac} is the address of a group, not of one client`;
  if (mac.bytes.every((byte) => byte === 0)) return `${mac} is nobody's address`;
  const kind = specialKind(address);
  if (kind !== undefined) return `${address} is ${kind}`;
  if (policy.prefixes.length > 0 && !policy.prefixes.some((prefix) => prefix.contains(address))) {
    return `${address} is outside of ${policy.prefixes.join(", ")}`;
  }
  if (!policy.marks.includes(mark)) return `mark ${mark} is not one of ${policy.marks.join(", ")}`;
  if (timeout !== undefined && !(timeout >= TIMEOUT_MILLISECONDS_MIN && timeout <= policy.timeoutMax)) {
    return `timeout ${timeout} ms is outside ${TIMEOUT_MILLISECONDS_MIN}..${policy.timeoutMax}`;
  }
  return undefined;
}

/** What an address is that cannot be a client's (RFC 6890), or `undefined`. */
function specialKind(address: IpAddress): string | undefined {
  const [first = 0, second = 0] = address.bytes;
  if (address.bytes.every((byte) => byte === 0)) return "no address";
  if (address.family === 6) {
    if (first === 0xff) return "a group's address";
    // Packets with link-local addresses are never forwarded (RFC 4291 §2.5.6).
    if (first === 0xfe && (second & 0xc0) === 0x80) return "an address that does not leave its link";
    const isLoopback = address.bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
    return isLoopback ? "this machine's own address" : undefined;
  }
  if (first === 127) return "this machine's own address";
  if (first === 0) return "no address";
  if (first >= 224) return first < 240 ? "a group's address" : "a reserved address";
  return undefined;
}
