/**
 * BTF, the kernel's debugging information (Documentation/bpf/btf.rst): read, to find functions and fields of the
 * kernel by their names; written, as far as a program needs it to be shown with the lines it was made from. Little
 * endian, as the machine that wrote it.
 * @module
 */
import { MalformedMessageError } from "#base/errors.ts";
import { encodeUtf8 } from "#base/utf8.ts";

const MAGIC = 0xeb9f;
const HEADER_BYTES = 24;
/** Name, information, and size or type: what every type begins with. */
const TYPE_WORDS = 3;
/** Types that only stand before another one: typedef, volatile, const, restrict, type tag. */
const TRANSPARENT: readonly number[] = [8, 9, 10, 11, 18];
/** Unnamed structures within unnamed structures; real ones have three. */
const DEPTH_MAX = 8;

const Kind = { integer: 1, pointer: 2, structure: 4, union: 5, function: 12, prototype: 13 } as const;

/** 32-bit words behind the first three, by kind: `each` for each of the type's `vlen` parts, and `always` ones. */
const TAILS: readonly (readonly [always: number, each: number])[] = (() => {
  const tails: [number, number][] = Array.from({ length: 20 }, () => [0, 0]);
  tails[1] = [1, 0]; // integer: encoding, offset, bits
  tails[3] = [3, 0]; // array: element, index, count
  tails[4] = [0, 3]; // structure: name, type, offset
  tails[5] = [0, 3]; // union: the same
  tails[6] = [0, 2]; // enumeration: name, value
  tails[13] = [0, 2]; // prototype: name, type
  tails[14] = [1, 0]; // variable: linkage
  tails[15] = [0, 3]; // section: type, offset, size
  tails[17] = [1, 0]; // declaration tag: which part
  tails[19] = [0, 3]; // 64-bit enumeration: name, low half, high half
  return tails;
})();

/** The types of a kernel, found by their names; several at once in one pass. */
export class BtfTypes {
  readonly #words: Uint32Array;
  readonly #strings: Uint8Array;
  /** Where each type begins, in words; the first has id 1. */
  readonly #starts: Uint32Array;

  /** @throws MalformedMessageError when it is no BTF, or has kinds of types that are not known here */
  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_BYTES || view.getUint16(0, true) !== MAGIC) {
      throw new MalformedMessageError("Cannot read BTF: it does not begin as BTF does");
    }
    const headerBytes = view.getUint32(4, true);
    const part = (at: number): Uint8Array => {
      const start = headerBytes + view.getUint32(at, true);
      const end = start + view.getUint32(at + 4, true);
      if (end > bytes.length) throw new MalformedMessageError("Cannot read BTF: it is cut off");
      return bytes.subarray(start, end);
    };
    // A Buffer.slice() would not copy, and words must be aligned.
    this.#words = new Uint32Array(new Uint8Array(part(8)).buffer);
    this.#strings = part(16);
    this.#starts = findStarts(this.#words);
  }

  get count(): number {
    return this.#starts.length - 1;
  }

  /** The id of a function of this name; `undefined` when there is none. */
  functionId(name: string): number | undefined {
    return this.#find(name, (kind) => kind === Kind.function);
  }

  /** The id of a structure of this name that has fields; `undefined` when there is none. */
  structureId(name: string): number | undefined {
    return this.#find(name, (kind, parts) => kind === Kind.structure && parts > 0);
  }

  /**
   * Where a structure's field begins, in bytes, also when it is in an unnamed part of it; `undefined` when there is no
   * such structure or field, or the field is of single bits.
   */
  fieldOffset(structure: string, field: string): number | undefined {
    const id = this.structureId(structure);
    if (id === undefined) return undefined;
    const name = this.#nameAt(field);
    const bits = name === undefined ? undefined : this.#fieldBits(id, name, 0);
    return bits === undefined || bits % 8 !== 0 ? undefined : bits / 8;
  }

  #find(name: string, accept: (kind: number, parts: number) => boolean): number | undefined {
    const at = this.#nameAt(name);
    if (at === undefined) return undefined;
    for (let id = 1; id < this.#starts.length; id++) {
      const start = this.#starts[id] ?? 0;
      if (this.#words[start] !== at) continue;
      const { kind, parts } = this.#information(id);
      if (accept(kind, parts)) return id;
    }
    return undefined;
  }

  #information(id: number): { kind: number; parts: number; hasBits: boolean } {
    const word = this.#words[(this.#starts[id] ?? 0) + 1] ?? 0;
    return { kind: (word >>> 24) & 31, parts: word & 0xffff, hasBits: word >>> 31 === 1 };
  }

  /** Every string is there once. */
  #nameAt(name: string): number | undefined {
    const wanted = encodeUtf8(`\0${name}\0`);
    const first = wanted[1];
    const strings = this.#strings;
    if (first === undefined || first === 0) return undefined;
    for (let at = strings.indexOf(first, 1); at > 0; at = strings.indexOf(first, at + 1)) {
      if (strings[at - 1] === 0 && startsWith(strings, at, wanted)) return at;
    }
    return undefined;
  }

  #fieldBits(id: number, name: number, depth: number): number | undefined {
    const { kind, parts, hasBits } = this.#information(id);
    if ((kind !== Kind.structure && kind !== Kind.union) || depth > DEPTH_MAX) return undefined;
    const first = (this.#starts[id] ?? 0) + TYPE_WORDS;
    for (let at = first; at < first + 3 * parts; at += 3) {
      const [memberName = 0, type = 0, place = 0] = this.#words.subarray(at, at + 3);
      // With single bits the upper byte is how many; 0 of a field that has whole bytes.
      const offset = hasBits ? place & 0xff_ffff : place;
      if (memberName === name) return hasBits && place >>> 24 !== 0 ? undefined : offset;
      const inside = memberName === 0 ? this.#fieldBits(this.#plain(type), name, depth + 1) : undefined;
      if (inside !== undefined) return offset + inside;
    }
    return undefined;
  }

  #plain(type: number): number {
    let id = type;
    for (let depth = 0; depth < DEPTH_MAX && TRANSPARENT.includes(this.#information(id).kind); depth++) {
      id = this.#words[(this.#starts[id] ?? 0) + 2] ?? 0;
    }
    return id;
  }
}

function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let index = 1; index < wanted.length; index++) {
    if (bytes[at + index - 1] !== wanted[index]) return false;
  }
  return true;
}

function findStarts(words: Uint32Array): Uint32Array {
  let starts = new Uint32Array(1 << 18);
  let count = 1;
  for (let at = 0; at < words.length; count++) {
    if (count === starts.length) {
      const more = new Uint32Array(2 * count);
      more.set(starts);
      starts = more;
    }
    starts[count] = at;
    const information = words[at + 1] ?? 0;
    const tail = TAILS[(information >>> 24) & 31];
    if (!tail) throw new MalformedMessageError(`Cannot read BTF: type ${count} is of an unknown kind`);
    at += TYPE_WORDS + tail[0] + tail[1] * (information & 0xffff);
  }
  return starts.subarray(0, count);
}

/** A line for the kernel: `struct bpf_line_info` once its texts are in the BTF. */
export interface BtfLine {
  /** Index of an instruction. */
  readonly at: number;
  readonly file: string;
  readonly text: string;
  /** 1 to 2^22 - 1. */
  readonly line: number;
  /** 0 to 1023; what is more becomes 1023. */
  readonly column: number;
}

/** What BPF_PROG_LOAD takes to know functions and lines. */
export interface ProgramBtf {
  /** For BPF_BTF_LOAD. */
  readonly types: Uint8Array;
  /** Records of {@link FUNCTION_RECORD_BYTES}. */
  readonly functions: Uint8Array;
  /** Records of {@link LINE_RECORD_BYTES}. */
  readonly lines: Uint8Array;
}

export const FUNCTION_RECORD_BYTES = 8;
export const LINE_RECORD_BYTES = 16;

/**
 * Describes a program whose functions begin at these instructions (the first at 0), all with one argument and a
 * result of 32 bits, and its lines, in ascending order.
 */
export function encodeProgramBtf(
  functions: readonly { readonly at: number; readonly name: string }[],
  lines: readonly BtfLine[],
): ProgramBtf {
  const strings = new StringTable();
  const words: number[] = [];
  const type = (name: string, kind: number, parts: number, ...rest: readonly number[]): void => {
    words.push(strings.add(name), (kind << 24) | parts, ...rest);
  };
  type("u32", Kind.integer, 0, 4, 32); // 1
  type("", Kind.pointer, 0, 0); // 2: to anything
  type("", Kind.prototype, 1, 1, strings.add("context"), 2); // 3
  const functionRecords = functions.map(({ at, name }, index) => {
    type(name, Kind.function, 0, 3);
    return [at, 4 + index];
  });
  const lineRecords = lines.map(({ at, file, text, line, column }) => {
    return [at, strings.add(file), strings.add(text), (line << 10) | Math.min(column, 1023)];
  });
  const texts = strings.bytes();
  const header = Uint32Array.of(MAGIC | (1 << 16), HEADER_BYTES, 0, 4 * words.length, 4 * words.length);
  const types = new Uint8Array(HEADER_BYTES + 4 * words.length + texts.length);
  types.set(new Uint8Array(header.buffer));
  new DataView(types.buffer).setUint32(20, texts.length, true);
  types.set(records([words]), HEADER_BYTES);
  types.set(texts, HEADER_BYTES + 4 * words.length);
  return { types, functions: records(functionRecords), lines: records(lineRecords) };
}

function records(rows: readonly (readonly number[])[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(rows.flat()).buffer);
}

/** Texts one after another, each once, the empty one first. */
class StringTable {
  readonly #places = new Map<string, number>([["", 0]]);
  readonly #parts: Uint8Array[] = [Uint8Array.of(0)];
  #length = 1;

  /** Characters below a space end a text for the kernel's log, and become spaces. */
  add(text: string): number {
    const place = this.#places.get(text);
    if (place !== undefined) return place;
    const bytes = encodeUtf8(`${text.replace(/\p{Cc}/gu, " ")}\0`);
    this.#places.set(text, this.#length);
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return this.#length - bytes.length;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
