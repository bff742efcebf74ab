/**
 * {@link Tun} on Linux: /dev/net/tun (the kernel's Documentation/networking/tuntap.rst), one packet for each read(2) and
 * write(2), 64 reads with one call of the addon. No packet information, no offload: packets are as on a wire. The
 * device is in the network namespace that the thread is in when it is made.
 * @module
 */
import { closeSync, constants, openSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import type { MetanetError } from "#base/errors.ts";
import { type CapturedBatch, MutableCapturedPacket } from "#io/captured-packet.ts";
import {
  checkTunOptions,
  MTU_BYTES_DEFAULT,
  type Tun,
  TunForbiddenError,
  type TunOptions,
  type TunStatistics,
  TunTakenError,
  TunUnsupportedError,
} from "#io/tun.ts";
import { LinkType } from "#packet/link-type.ts";
import { LITTLE_ENDIAN } from "#wire/netlink.ts";
import { native } from "./native.ts";
import { Reading } from "./reading.ts";
import {
  AF_INET,
  IFF_NO_PI,
  IFF_TAP,
  IFF_TUN,
  IFF_UP,
  IFREQ_BYTES,
  IFREQ_VALUE_AT,
  SIOCGIFFLAGS,
  SIOCSIFFLAGS,
  SIOCSIFMTU,
  SOCK_DGRAM,
  TUNSETIFF,
} from "./socket-constants.ts";
import { SystemCallError } from "./system-error.ts";

const DEVICE = "/dev/net/tun";
const BATCH_COUNT_MAX = 64;
/** Batches of one wake-up at most; then the rest of the event loop has its turn. */
const ROUND_COUNT_MAX = 16;
/** Ethernet's header with two tags. */
const FRAME_HEADER_BYTES = 22;

/** Needs root (CAP_NET_ADMIN). */
export class LinuxTun implements Tun {
  readonly name: string;
  readonly index: number;
  readonly linkType: number;
  readonly #fd: number;
  readonly #reading: Reading;
  readonly #slotBytes: number;
  readonly #slab: Uint8Array;
  readonly #lengths = new Int32Array(BATCH_COUNT_MAX);
  readonly #row = new Int32Array(2);
  readonly #batch: TunBatch;
  readonly #counts = { receivedCount: 0, sentCount: 0, unsentCount: 0 };
  #consumer: ((batch: CapturedBatch) => void) | undefined;
  #onTrouble: ((error: MetanetError) => void) | undefined;

  /** @throws TunTakenError, TunForbiddenError, TunUnsupportedError, SystemCallError, and what `checkTunOptions` throws */
  constructor(options: TunOptions) {
    checkTunOptions(options);
    const { mode, mtuBytes = MTU_BYTES_DEFAULT } = options;
    const { name = `${mode}%d` } = options;
    this.#fd = attempt(name, () => openSync(DEVICE, constants.O_RDWR | constants.O_NONBLOCK));
    try {
      this.name = attempt(name, () => configure(this.#fd, name, mode, mtuBytes));
      this.index = attempt(name, () => native().interfaceIndex(this.name));
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
    this.#reading = new Reading(this.#fd, (events) => this.#onReadable(events));
    this.linkType = mode === "tap" ? LinkType.ethernet : LinkType.raw;
    this.#slotBytes = (mtuBytes + FRAME_HEADER_BYTES + 63) & ~63;
    this.#slab = new Uint8Array(BATCH_COUNT_MAX * this.#slotBytes);
    this.#batch = new TunBatch(this.#slab, this.#lengths, this.#slotBytes, this.linkType, this.index);
  }

  start(onBatch: (batch: CapturedBatch) => void): void {
    this.#consumer = onBatch;
    this.#reading.start();
  }

  pause(): void {
    this.#reading.pause();
  }

  resume(): void {
    this.#reading.resume();
  }

  write(bytes: Uint8Array, offset = 0, lengthBytes: number = bytes.length - offset): boolean {
    this.#row[0] = offset;
    this.#row[1] = lengthBytes;
    const sent = this.#reading.isEnded ? -EBADF : native().writeBatch(this.#fd, bytes, this.#row, 0, 1);
    if (sent > 0) {
      this.#counts.sentCount++;
      return true;
    }
    this.#counts.unsentCount++;
    this.#report("write a packet to", sent);
    return false;
  }

  statistics(): TunStatistics {
    return { ...this.#counts };
  }

  onTrouble(handler: (error: MetanetError) => void): void {
    this.#onTrouble = handler;
  }

  close(): void {
    if (this.#reading.isEnded) return;
    // The watch has a duplicate of the descriptor, and the device lives as long as either.
    this.#reading.end();
    this.#batch.end();
    // Node has opened it, and closes what a worker that ends has left open.
    closeSync(this.#fd);
  }

  #onReadable(events: number): void {
    for (let round = 0; round < ROUND_COUNT_MAX && this.#reading.isWanted; round++) {
      const count = native().readBatch(this.#fd, this.#slab, this.#lengths, this.#slotBytes);
      if (count <= 0) {
        this.#report("read from", count < 0 ? count : Math.min(0, events));
        return;
      }
      this.#counts.receivedCount += count;
      this.#batch.begin(count);
      try {
        this.#consumer?.(this.#batch);
      } finally {
        this.#batch.end();
      }
      if (count < BATCH_COUNT_MAX) return;
    }
  }

  #report(what: string, errno: number): void {
    if (errno < 0) this.#onTrouble?.(new SystemCallError(`${what} ${this.name}`, getSystemErrorName(errno)));
  }
}

const EBADF = 9;

/** Slots of the slab, one after the other. */
class TunBatch implements CapturedBatch {
  readonly packet: MutableCapturedPacket = new MutableCapturedPacket();
  count = 0;
  readonly #lengths: Int32Array;
  readonly #slotBytes: number;
  #row = 0;

  constructor(slab: Uint8Array, lengths: Int32Array, slotBytes: number, linkType: number, index: number) {
    this.#lengths = lengths;
    this.#slotBytes = slotBytes;
    this.packet.bytes = slab;
    this.packet.linkType = linkType;
    this.packet.interfaceId = index;
  }

  begin(count: number): void {
    this.count = count;
    this.#row = 0;
    const now = performance.timeOrigin + performance.now();
    this.packet.seconds = Math.floor(now / 1000);
    this.packet.nanoseconds = Math.floor((now % 1000) * 1_000_000);
  }

  end(): void {
    this.#row = this.count;
  }

  next(): boolean {
    if (this.#row >= this.count) return false;
    const { packet } = this;
    packet.offset = this.#row * this.#slotBytes;
    packet.capturedBytes = this.#lengths[this.#row] as number;
    packet.originalBytes = packet.capturedBytes;
    this.#row++;
    return true;
  }
}

/** Makes the device and brings it up; its name. */
function configure(fd: number, name: string, mode: "tun" | "tap", mtuBytes: number): string {
  const request = new Uint8Array(IFREQ_BYTES);
  const view = new DataView(request.buffer);
  request.set(Buffer.from(name));
  view.setUint16(IFREQ_VALUE_AT, (mode === "tap" ? IFF_TAP : IFF_TUN) | IFF_NO_PI, LITTLE_ENDIAN);
  native().interfaceRequest(fd, TUNSETIFF, request);
  const end = request.indexOf(0);
  const made = Buffer.from(request.subarray(0, Math.min(end, IFREQ_VALUE_AT))).toString();
  const control = native().socket(AF_INET, SOCK_DGRAM, 0);
  try {
    view.setInt32(IFREQ_VALUE_AT, mtuBytes, LITTLE_ENDIAN);
    native().interfaceRequest(control, SIOCSIFMTU, request);
    native().interfaceRequest(control, SIOCGIFFLAGS, request);
    view.setUint16(IFREQ_VALUE_AT, view.getUint16(IFREQ_VALUE_AT, LITTLE_ENDIAN) | IFF_UP, LITTLE_ENDIAN);
    native().interfaceRequest(control, SIOCSIFFLAGS, request);
  } finally {
    native().close(control);
  }
  return made;
}

function attempt<R>(name: string, action: () => R): R {
  try {
    return action();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const what = `Cannot make the device ${name}`;
    switch (code) {
      case "EBUSY":
      case "EINVAL": {
        const fix = "choose another name, or one that ends in %d";
        throw new TunTakenError(`${what}: somebody else has a device of this name; ${fix}`, { cause: error });
      }
      case "EPERM":
      case "EACCES": {
        const fix = "run it as root, or give it the capability CAP_NET_ADMIN";
        throw new TunForbiddenError(`${what}: the kernel does not permit it; ${fix}`, { cause: error });
      }
      case "ENOENT":
      case "ENODEV":
      case "ENXIO": {
        const fix = "sudo modprobe tun; the kernel needs CONFIG_TUN, and a container the device";
        throw new TunUnsupportedError(`${what}: there is no ${DEVICE}; ${fix}`, { cause: error });
      }
      default:
        if (!/^E[A-Z0-9]+$/.test(code) || code.startsWith("ERR_")) throw error;
        throw new SystemCallError(`make the device ${name}`, code, error);
    }
  }
}
