/**
 * Memory whose bytes are summed for the Internet checksum sixteen at a time, by a few instructions of WebAssembly: six
 * times as fast as {@link sumWords} for a full segment. WebAssembly reaches only its own memory, so what is to be summed
 * fast is read into memory from here. Where there is no WebAssembly with SIMD, everything works and is slower.
 * @module
 */
import { fold, sumWords } from "./checksum.ts";

/** The most that a kernel sums in one call: 2^17 bytes of 0xff are the most whose sum has 32 bits. */
const SUM_BYTES_MAX = 131_072;
/** What the kernel takes in one step. */
const STEP_BYTES = 32;
/** A call costs more than short packets do. */
const SUM_BYTES_MIN = 64;
const PAGE_BYTES = 65_536;

/** Sums the 16-bit words of [start, end), low byte first; the length is a multiple of {@link STEP_BYTES} above 0. */
type Kernel = (start: number, end: number) => number;

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** What of the language's own WebAssembly is used; layers like this one are compiled without a platform's types. */
interface WebAssemblyObject {
  Memory: new (size: { readonly initial: number; readonly maximum: number }) => Memory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (
    module: object,
    imports: { readonly base: { readonly memory: Memory } },
  ) => { readonly exports: { readonly sum: Kernel } };
}

const kernels = new WeakMap<ArrayBufferLike, Kernel>();

/** Fresh memory of zeros for packets that are to be summed; at most 2^32 - 65,536 bytes, rounded up to pages of 64 KiB. */
export function summableMemory(lengthBytes: number): Uint8Array {
  const { WebAssembly } = globalThis as { readonly WebAssembly?: WebAssemblyObject };
  if (WebAssembly === undefined) return new Uint8Array(lengthBytes);
  try {
    const pages = Math.ceil(lengthBytes / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const module = new WebAssembly.Module(kernelBytes(pages));
    const { exports } = new WebAssembly.Instance(module, { base: { memory } });
    kernels.set(memory.buffer, exports.sum);
    return new Uint8Array(memory.buffer, 0, lengthBytes);
  } catch {
    // Without SIMD the module is refused.
    return new Uint8Array(lengthBytes);
  }
}

/**
 * Sums 16-bit words as {@link sumWords} does, of memory that is asked about once: keep one for as long as packets lie in
 * the same memory.
 */
export class WordSummer {
  #kernel: Kernel | undefined;
  #data: DataView = new DataView(new ArrayBuffer(0));

  /** The memory of the next packets. */
  aim(data: DataView): void {
    this.#data = data;
    this.#kernel = kernels.get(data.buffer);
  }

  /** The sum of the 16-bit words of `length` bytes at `start` of the memory; the caller has checked the bounds. */
  sum(start: number, length: number): number {
    const data = this.#data;
    const kernel = this.#kernel;
    if (kernel === undefined || length < SUM_BYTES_MIN || length > SUM_BYTES_MAX) {
      return sumWords(data, start, length);
    }
    const wide = length & -STEP_BYTES;
    const from = data.byteOffset + start;
    // The order of a word's bytes does not matter until the end (RFC 1071 §2 B).
    const swapped = fold(kernel(from, from + wide) >>> 0);
    const sum = ((swapped & 0xff) << 8) | (swapped >>> 8);
    return sum + sumWords(data, start + wide, length - wide);
  }
}

/**
 * The module: `(func (export "sum") (param $at i32) (param $end i32) (result i32))` over an imported memory, with two
 * vectors of four sums. Opcodes by "WebAssembly Core Specification" 2.0 §5.4; sections by §5.5.
 */
function kernelBytes(pages: number): Uint8Array {
  const [at, end, even, odd] = [0, 1, 2, 3];
  const get = (local: number): readonly number[] => [0x20, local];
  const set = (local: number): readonly number[] => [0x21, local];
  const addVectors = [0xfd, 0xae, 0x01];
  // sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(v128.load(at + offset)))
  const step = (offset: number, sums: number): readonly number[] => [
    ...get(sums),
    ...[...get(at), 0xfd, 0x00, 0x00, offset],
    ...[0xfd, 0x7f, ...addVectors, ...set(sums)],
  ];
  const lane = (index: number): readonly number[] => [...get(even), 0xfd, 0x1b, index];
  const body = [
    ...[0x01, 0x02, 0x7b],
    // do { both steps } while ((at += 32) < end)
    ...[0x03, 0x40, ...step(0, even), ...step(STEP_BYTES / 2, odd)],
    ...[...get(at), 0x41, STEP_BYTES, 0x6a, 0x22, at, ...get(end), 0x49, 0x0d, 0x00, 0x0b],
    ...[...get(even), ...get(odd), ...addVectors, ...set(even)],
    ...[...lane(0), ...lane(1), 0x6a, ...lane(2), 0x6a, ...lane(3), 0x6a, 0x0b],
  ];
  const name = (text: string): readonly number[] => [
    text.length,
    ...[...text].map((one) => one.charCodeAt(0)),
  ];
  const section = (id: number, content: readonly number[]): readonly number[] => [
    id,
    ...leb128(content.length),
    ...content,
  ];
  const limits = [0x01, ...leb128(pages), ...leb128(pages)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [0x01, 0x60, 0x02, 0x7f, 0x7f, 0x01, 0x7f]),
    ...section(2, [0x01, ...name("base"), ...name("memory"), 0x02, ...limits]),
    ...section(3, [0x01, 0x00]),
    ...section(7, [0x01, ...name("sum"), 0x00, 0x00]),
    ...section(10, [0x01, ...leb128(body.length), ...body]),
  ]);
}

function leb128(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(Math.floor(value / 128))];
}
