/**
 * The addon, loaded when it is first needed, and its functions as types. The only importer of `native/`; each
 * function is one system call (its manual page applies) or one batch of them. Bad arguments throw TypeError or
 * RangeError, the kernel's refusals an {@link ErrnoError}.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UnavailableError } from "#base/errors.ts";

/** What the addon throws when the kernel refuses: `code` is the errno's name (`EADDRINUSE`), `errno` negative. */
export interface ErrnoError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
}

declare const watchBrand: unique symbol;

/** An open watch of a descriptor; made by {@link Native.watch}, useless after {@link Native.unwatch}. */
export interface Watch {
  readonly [watchBrand]: true;
}

declare const eventsBrand: unique symbol;

/** A mapped ring of events; made by {@link Native.openEvents}, empty after {@link Native.closeEvents}. */
export interface Events {
  readonly [eventsBrand]: true;
}

/** Words of a row that {@link Native.readEvents} writes: offset and length in the slab. */
export const EVENT_WORDS = 2;

/** Words of a table row that {@link Native.receiveBatch} writes: payload, address, control length, flags. */
export const RECEIVE_WORDS = 4;

/** Words of a row for {@link Native.sendBatch}: offset and length of payload, address and control in the slab. */
export const SEND_WORDS = 6;

/** Words of a row for {@link Native.sendPieces} and {@link Native.writeBatch}: offset and length in the slab. */
export const PIECE_WORDS = 2;

/** Words of a row for {@link Native.sendParts}: first part, their count, the parts with address and control, or -1. */
export const PART_WORDS = 4;

/** Parts of one {@link Native.sendParts} at most. */
export const PART_COUNT_MAX = 1024;

/** Messages one batch holds at most, whatever the slab's size. */
export const NATIVE_BATCH_COUNT_MAX = 256;

/** Descriptors one message passes at most. */
export const PASSED_COUNT_MAX = 16;

/** For {@link Native.watch} and {@link Native.watchFor}. */
export const READABLE = 1;
export const WRITABLE = 2;

export interface Native {
  /** Close-on-exec always; add SOCK_NONBLOCK to `type` yourself. */
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): void;
  connect(fd: number, address: Uint8Array): void;
  listen(fd: number, backlog: number): void;
  /** The new descriptor, or -1 when nobody is waiting. */
  accept(fd: number, flags: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void;
  /** `value` carries the question and takes the answer; returns the answer's length in bytes. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number;
  getsockname(fd: number): Uint8Array;
  getpeername(fd: number): Uint8Array;
  /** Bytes the kernel took; never raises SIGPIPE. */
  send(fd: number, bytes: Uint8Array, flags: number, address?: Uint8Array): number;
  /** Bytes received, 0 at the end, -1 when there is nothing yet; `lengths`: address, control, message flags. */
  receive(
    fd: number,
    bytes: Uint8Array,
    flags: number,
    address?: Uint8Array,
    control?: Uint8Array,
    lengths?: Int32Array,
  ): number;
  /** Waits with the whole process, at most 60,000 ms; the events that are there, 0 when the time is over. */
  poll(fd: number, events: number, milliseconds: number): number;
  /** A descriptor that is readable once the time of {@link Native.setTimer} is over (timerfd_create(2)). */
  timer(): number;
  /** Sets a timer to go off once, 0 to 3,600,000,000 microseconds from now; 0 stops it. */
  setTimer(fd: number, microseconds: number): void;
  dup(fd: number): number;
  close(fd: number): void;
  interfaceIndex(name: string): number;

  /**
   * Messages received into the slab, 0 when none waits, or -errno. Slot i starts at i * (slotBytes + addressBytes +
   * controlBytes) and holds payload, address and control data; row i of the table has {@link RECEIVE_WORDS} words.
   */
  receiveBatch(
    fd: number,
    slab: Uint8Array,
    table: Int32Array,
    slotBytes: number,
    addressBytes: number,
    controlBytes: number,
  ): number;
  /** Messages of rows `start` to `start + count` that left, or -errno of the first one when none did. */
  sendBatch(fd: number, slab: Uint8Array, table: Int32Array, start: number, count: number): number;
  /** One message of the pieces of rows `start` to `start + count`: bytes the kernel took, or -errno. */
  sendPieces(fd: number, slab: Uint8Array, table: Int32Array, start: number, count: number): number;
  /** As {@link sendBatch}, each message gathered from `parts`. */
  sendParts(
    fd: number,
    parts: readonly Uint8Array[],
    table: Int32Array,
    start: number,
    count: number,
  ): number;

  /** Calls back with the events on every turn of the loop in which there are some, or with -errno. */
  watch(fd: number, events: number, callback: (events: number) => void): Watch;
  /** Harmless twice, and inside the callback; the descriptor itself stays open. */
  unwatch(watch: Watch): void;
  /** Changes the events waited for; 0 pauses. */
  watchFor(watch: Watch, events: number): void;
  /** Whether the open watch keeps the process from ending: 1 (at first) or 0. */
  keepAlive(watch: Watch, yes: 0 | 1): void;

  /**
   * The ring that PACKET_RX_RING asked for. It owns the descriptor from now on, and keeps it and the socket until
   * {@link Native.unmapRing}, its own collection or the end of its thread. When this throws, the caller keeps both.
   */
  mapRing(fd: number, lengthBytes: number): ArrayBuffer;
  /** Closes the descriptor too; all views of the ring have length 0 afterwards. Harmless twice. */
  unmapRing(ring: ArrayBuffer): void;
  /** SO_ATTACH_FILTER: classic BPF, 1 to 4096 times `struct sock_filter` (u16, u8, u8, u32, machine order). */
  attachFilter(fd: number, instructions: Uint8Array): void;

  /** ioctl(2) with a `struct ifreq` that carries the question and takes the answer; a few requests only. */
  interfaceRequest(fd: number, request: number, ifreq: Uint8Array): void;
  /**
   * Packets read into slots of the slab, one read(2) each, 0 when none waits, or -errno; `lengths` takes their
   * lengths. What is longer than a slot is cut off.
   */
  readBatch(fd: number, slab: Uint8Array, lengths: Int32Array, slotBytes: number): number;
  /** Packets of rows `start` to `start + count` ({@link PIECE_WORDS}) that were written, or -errno of the first. */
  writeBatch(fd: number, slab: Uint8Array, table: Int32Array, start: number, count: number): number;

  /**
   * bpf(2): what the kernel returned, or -errno. Addresses in the attribute are written by the call, from the command's
   * buffers in the order of `native/bpf.c`, of at most 64 MiB; no address for those left out or `undefined`.
   */
  bpf(command: number, attribute: Uint8Array, ...buffers: readonly (Uint8Array | undefined)[]): number;
  /** clock_gettime(2), 0 to 15: seconds, exact to less than a microsecond. */
  clockSeconds(clock: number): number;
  /** The memory of a ring of events (BPF_MAP_TYPE_RINGBUF); independent of the descriptor from now on. */
  openEvents(fd: number): Events;
  /**
   * Takes events out of the ring, as many as slab and table hold: their count, rows of {@link EVENT_WORDS} in the
   * table. One that is longer than the whole slab is lost and comes alone, with offset -1.
   */
  readEvents(events: Events, slab: Uint8Array, table: Int32Array): number;
  /** Harmless twice; reads give 0 afterwards. */
  closeEvents(events: Events): void;

  sendDescriptors(fd: number, bytes: Uint8Array, descriptors: Int32Array): number;
  /** Bytes, 0 at the end, -1 when there is nothing yet; unused places of `descriptors` become -1. */
  receiveDescriptors(fd: number, bytes: Uint8Array, descriptors: Int32Array): number;

  /** For every thread of the process. */
  setNoNewPrivileges(): void;
  /** Bit n of `kept` keeps capability n, below 53. */
  dropBoundingSet(kept: number): void;
  /** This thread's permitted capabilities survive its next change of user. */
  keepCapabilities(): void;
  /** This thread has exactly `kept`, and programs that it starts get those of `passed`. */
  limitCapabilities(kept: number, passed: number): void;
  /** Writes uid and gid; false when there is no such user. */
  lookUpUser(user: string | number, identity: Int32Array): boolean;
  /** This thread only. */
  setns(fd: number, kind: number): void;
}

/** The addon was not built on this machine; the message says how to. */
export class NativeMissingError extends UnavailableError {
  override readonly code: string = "native-missing";
}

let loaded: Native | undefined;

/**
 * The addon.
 * @throws NativeMissingError when it is not there or does not load.
 */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

/** Why the addon cannot be used, with the fix; `undefined` when it can. */
export function nativeProblem(): string | undefined {
  try {
    native();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Whether an error came from the kernel through the addon. */
export function isErrnoError(error: unknown): error is ErrnoError {
  return error instanceof Error && "errno" in error && "syscall" in error;
}

function load(): Native {
  const folder = findFolder(import.meta.dirname);
  const file = join(folder, "metanet.node");
  if (!existsSync(file)) {
    const messages: { missing: string } = JSON.parse(readFileSync(join(folder, "messages.json"), "utf8"));
    throw new NativeMissingError(`Cannot load the addon: it is not there. ${messages.missing}`);
  }
  try {
    return createRequire(import.meta.url)(file) as Native;
  } catch (cause) {
    const seen = cause instanceof Error ? cause.message : String(cause);
    const fix = "Build it again: node native/build.mjs --force --strict";
    throw new NativeMissingError(`Cannot load the addon: ${seen}. ${fix}`, { cause });
  }
}

/** `native/` stands at the package's root, above both the sources and what they are compiled to. */
function findFolder(from: string): string {
  const folder = join(from, "native");
  if (existsSync(join(folder, "messages.json"))) return folder;
  const parent = dirname(from);
  if (parent === from)
    throw new NativeMissingError("Cannot load the addon: the package has no folder native/");
  return findFolder(parent);
}
