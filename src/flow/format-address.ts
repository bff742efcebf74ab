/**
 * Addresses of a flow's record as text.
 * @module
 */
import { ip } from "#base/ip-address.ts";

/** The canonical text (RFC 5952) of an IPv6 address in four words. */
export function formatWords(first: number, second: number, third: number, fourth: number): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, first);
  view.setInt32(4, second);
  view.setInt32(8, third);
  view.setInt32(12, fourth);
  return ip(bytes).toString();
}
