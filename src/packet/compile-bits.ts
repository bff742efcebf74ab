/**
 * The text of the code that reads and writes numbers at constant places, for the classes of views: `data` is the
 * packet's memory, `at` where the header begins, `raw` the number to write.
 * @module
 */

/** An expression for a number of whole bytes. */
export function reading(byte: number, length: number): string {
  const at = `at + ${byte}`;
  switch (length) {
    case 1:
      return `data.getUint8(${at})`;
    case 2:
      return `data.getUint16(${at})`;
    case 3:
      return `(data.getUint16(${at}) * 0x100 + data.getUint8(${at} + 2))`;
    case 4:
      return `data.getUint32(${at})`;
    case 5:
      return `(data.getUint32(${at}) * 0x100 + data.getUint8(${at} + 4))`;
    case 6:
      return `(data.getUint16(${at}) * 0x100000000 + data.getUint32(${at} + 2))`;
    default:
      return bigReading(byte, length);
  }
}

function bigReading(byte: number, length: number): string {
  const parts: string[] = [];
  let at = byte;
  for (let left = length; left > 0; ) {
    const take = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    const part = take === 8 ? `data.getBigUint64(at + ${at})` : `BigInt(data.getUint${take * 8}(at + ${at}))`;
    left -= take;
    at += take;
    parts.push(left > 0 ? `(${part} << ${left * 8}n)` : part);
  }
  return `(${parts.join(" | ")})`;
}

/** Bits within at most 32 that begin at a byte; three bytes are read as one and two. */
export function bitReading(byte: number, length: number, shift: number, bits: number): string {
  const mask = bits === 32 ? "" : ` & 0x${(2 ** bits - 1).toString(16)}`;
  return `((${reading(byte, length)} >>> ${shift})${mask})`;
}

/**
 * Statements that write `raw`, cut to its width, to whole bytes. The upper ones are rounded down, so that negative
 * numbers are two's complement in all of them.
 */
export function writing(byte: number, length: number): string[] {
  const at = `at + ${byte}`;
  switch (length) {
    case 1:
      return [`data.setUint8(${at}, raw);`];
    case 2:
      return [`data.setUint16(${at}, raw);`];
    case 3:
      return [`data.setUint16(${at}, Math.floor(raw / 0x100)); data.setUint8(${at} + 2, raw);`];
    case 4:
      return [`data.setUint32(${at}, raw);`];
    case 5:
      return [`data.setUint32(${at}, Math.floor(raw / 0x100)); data.setUint8(${at} + 4, raw);`];
    case 6:
      return [`data.setUint16(${at}, Math.floor(raw / 0x100000000)); data.setUint32(${at} + 2, raw);`];
    default:
      return bigWriting(byte, length);
  }
}

function bigWriting(byte: number, length: number): string[] {
  const statements: string[] = [];
  let at = byte;
  for (let left = length; left > 0; ) {
    const take = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
    left -= take;
    const part = left > 0 ? `raw >> ${left * 8}n` : "raw";
    statements.push(
      take === 8
        ? `data.setBigUint64(at + ${at}, BigInt.asUintN(64, ${part}));`
        : `data.setUint${take * 8}(at + ${at}, Number(BigInt.asUintN(${take * 8}, ${part})));`,
    );
    at += take;
  }
  return statements;
}

export function bitWriting(
  byte: number,
  container: number,
  length: number,
  shift: number,
  bits: number,
): string[] {
  const mask = 2 ** bits - 1;
  const value = `(((raw & ${mask}) << ${shift}) >>> 0)`;
  const kept = `(${reading(byte, length)} & ${~(mask << shift)})`;
  if (container !== 4 || length === 4)
    return [`data.setUint${length * 8}(at + ${byte}, (${kept} | ${value}) >>> 0);`];
  return [
    `const whole = (${kept} | ${value}) >>> 0;`,
    `data.setUint16(at + ${byte}, whole >>> 8); data.setUint8(at + ${byte} + 2, whole);`,
  ];
}
