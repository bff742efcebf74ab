/**
 * The Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are plain numbers that may exceed
 * 16 bits; {@link fold} makes the 16-bit ones' complement sum of one.
 * @module
 */

/** Brings a sum of 16-bit words back to 16 bits by adding the carries (RFC 1071 §1); sums below 2^53. */
export function fold(sum: number): number {
  // 2^32 - 1 is a multiple of 2^16 - 1: the remainder has the same sum, where it is not 0, which stands for all ones.
  let folded = sum > 0xffff_ffff ? sum % 0xffff_ffff || 0xffff_ffff : sum;
  folded = (folded >>> 16) + (folded & 0xffff);
  folded = (folded >>> 16) + (folded & 0xffff);
  return (folded >>> 16) + (folded & 0xffff);
}

/**
 * The sum of the 16-bit words of `length` bytes at `start`; an odd last byte counts as a word's high byte. The
 * caller has checked the bounds. Up to 2^32 bytes.
 */
export function sumWords(data: DataView, start: number, length: number): number {
  const end = start + (length & ~3);
  let sum = 0;
  let at = start;
  // Four bytes at a time: 2^32 is 1 in ones' complement arithmetic of 16 and of 32 bits (RFC 1071 §2 C). Four sums, as
  // an addition need not wait for the one before it then.
  if (length >= 16) {
    const fourths = start + (length & ~15);
    let second = 0;
    let third = 0;
    let fourth = 0;
    for (; at < fourths; at += 16) {
      sum += data.getUint32(at);
      second += data.getUint32(at + 4);
      third += data.getUint32(at + 8);
      fourth += data.getUint32(at + 12);
    }
    sum += second + third + fourth;
  }
  for (; at < end; at += 4) sum += data.getUint32(at);
  if ((length & 2) !== 0) {
    sum += data.getUint16(at);
    at += 2;
  }
  if ((length & 1) !== 0) sum += data.getUint8(at) << 8;
  return sum;
}

/** The checksum whose words, itself taken as zero, have this sum: 0 to 0xffff. */
export function checksumOf(sum: number): number {
  return ~fold(sum) & 0xffff;
}

/**
 * The checksum after one of its 16-bit words changed: HC' = ~(~HC + ~m + m') (RFC 1624 equation 3), which unlike
 * its predecessors cannot turn a right checksum into the other zero.
 */
export function updateChecksum(checksum: number, old: number, now: number): number {
  let sum = (~checksum & 0xffff) + (~old & 0xffff) + now;
  sum = (sum >>> 16) + (sum & 0xffff);
  return ~((sum >>> 16) + sum) & 0xffff;
}
