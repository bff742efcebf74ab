/**
 * A network device whose other end is this program: what the kernel routes into it is read here, what is written here
 * the kernel takes for received. `linux/` answers with /dev/net/tun, `sim/` with packets that a test pushes.
 * @module
 */
import { ConfigurationError, LimitExceededError, type MetanetError, UnavailableError } from "#base/errors.ts";
import type { CapturedBatch } from "./captured-packet.ts";

/** How a device is made. */
export interface TunOptions {
  /** 1 to 15 bytes; one `%d` becomes the first free number. "tun%d" or "tap%d" at first. */
  readonly name?: string;
  /** "tun": IP packets; "tap": Ethernet frames. */
  readonly mode: "tun" | "tap";
  /** The longest IP packet, {@link MTU_BYTES_MIN} to {@link MTU_BYTES_MAX}; 1500 at first. */
  readonly mtuBytes?: number;
}

export const MTU_BYTES_MIN = 68;
export const MTU_BYTES_MAX = 65_521;
export const MTU_BYTES_DEFAULT = 1500;

/** What happened at a device since it was made; counts only grow. */
export interface TunStatistics {
  /** Packets that were handed over. */
  readonly receivedCount: number;
  /** Packets that the kernel took. */
  readonly sentCount: number;
  /** Packets that it refused: they are none, the device is down, or it has no memory. */
  readonly unsentCount: number;
}

export interface Tun {
  /** The kernel's name for it. */
  readonly name: string;
  /** The kernel's index of it; `interfaceId` of its packets. */
  readonly index: number;
  /** The LINKTYPE_ value of its packets: raw IP (101) or Ethernet (1). */
  readonly linkType: number;

  /**
   * Hands every batch to `onBatch` from now on; the last one given is the only one. Packets are whole, with complete
   * checksums; their time is when the batch was read.
   */
  start(onBatch: (batch: CapturedBatch) => void): void;
  /** Leaves packets in the device, which drops what finds it full, until {@link resume}. */
  pause(): void;
  resume(): void;

  /**
   * Gives the kernel `lengthBytes` of `bytes` from `offset` on, all of them when the two are left out, also from within
   * a batch; nothing is kept. `false` when it refused them, which is counted and reported.
   */
  write(bytes: Uint8Array, offset?: number, lengthBytes?: number): boolean;

  statistics(): TunStatistics;
  /** Reports what the kernel refused, and that somebody removed the device; without a handler it is only counted. */
  onTrouble(handler: (error: MetanetError) => void): void;

  /** Removes the device, with its addresses and routes. Harmless twice, and inside the consumer. */
  close(): void;
}

/** Somebody else has a device of this name. */
export class TunTakenError extends ConfigurationError {
  override readonly code: string = "tun-taken";
}

/** The kernel makes no devices for users without a capability. */
export class TunForbiddenError extends ConfigurationError {
  override readonly code: string = "tun-forbidden";
}

/** The kernel has no TUN devices; `metanet doctor` says so. */
export class TunUnsupportedError extends UnavailableError {
  override readonly code: string = "tun-unsupported";
}

/** What implementations refuse in the same words. @throws ConfigurationError, LimitExceededError */
export function checkTunOptions({ name = "tun%d", mode, mtuBytes = MTU_BYTES_DEFAULT }: TunOptions): void {
  if (
    !/^[^\s/:%]*(%d)?[^\s/:%]*$/.test(name) ||
    !/^[\x21-\x7e]{1,15}$/.test(name) ||
    /^\.{1,2}$/.test(name)
  ) {
    const rules = "not 1 to 15 printable characters without / and :, with one %d at most";
    throw new ConfigurationError(`Cannot make the device ${JSON.stringify(name)}: its name is ${rules}`);
  }
  if (mode !== "tun" && mode !== "tap") {
    throw new ConfigurationError(
      `Cannot make the device ${name}: mode "${String(mode)}", not "tun" or "tap"`,
    );
  }
  if (!Number.isInteger(mtuBytes) || mtuBytes < MTU_BYTES_MIN || mtuBytes > MTU_BYTES_MAX) {
    const limits = `not an integer from ${MTU_BYTES_MIN} to ${MTU_BYTES_MAX}`;
    throw new LimitExceededError(`Cannot make the device ${name}: an MTU of ${mtuBytes} bytes, ${limits}`);
  }
}
