/**
 * Whether checksums are right, reckoned from all they are over.
 * @module
 */
import { fold, sumWords } from "#base/checksum.ts";
import { sumPseudoHeader } from "./pseudo-header.ts";
import type { View } from "./view.ts";

/** `none` where there is none, `unknown` when not all that it is over is here. */
export type ChecksumState = "good" | "bad" | "none" | "unknown";

/** The state of the checksum of one header. */
export function verifyChecksum(view: View): ChecksumState {
  const { checksum } = view.$of;
  if (checksum === undefined || checksum.presentIf?.(view) === false) return "none";
  if (checksum.zeroIsNone === true && view.$data.getUint16(view.$start + checksum.at) === 0) return "none";
  if (checksum.covers === "all" && !isWhole(view)) return "unknown";
  return sumOfChecked(view) === 0xffff ? "good" : "bad";
}

/**
 * The sum of all that a header's checksum is over, itself included: 0xffff when it is right. The caller has seen that
 * the protocol has a checksum.
 */
export function sumOfChecked(view: View): number {
  const { checksum } = view.$of;
  if (checksum?.covers === "header") return fold(sumWords(view.$data, view.$start, view.$header));
  const own = fold(sumWords(view.$data, view.$start, view.lengthBytes));
  const outer = view.$outer;
  if (outer === undefined || checksum?.pseudoHeader?.[outer.$of.name === "ipv6" ? 6 : 4] !== true) return own;
  return fold(own + (sumPseudoHeader(outer, outer.$of.announced(outer), view.lengthBytes) ?? 0));
}

/** Whether all bytes are here that this header and those around it tell of, and none is a fragment. */
function isWhole(view: View): boolean {
  for (let each: View | undefined = view; each !== undefined; each = each.$outer) {
    const told = each.$of.contentBytes?.(each) ?? 0;
    if (told > each.lengthBytes) return false;
    if ((each as View & { readonly isFragment?: boolean }).isFragment === true) return false;
  }
  return view.packet.fullLengthBytes <= view.packet.lengthBytes;
}
