/**
 * Netlink sockets. The kernel handles a request inside of `send` and has its answer ready when `send` returns, so
 * asking is a plain call: nothing waits, and no descriptor is watched.
 * @module
 */
import { UnavailableError } from "#base/errors.ts";
import {
  decodeNetlinkMessages,
  decodeNetlinkReply,
  LITTLE_ENDIAN,
  NetlinkFlag,
  type NetlinkMessage,
  NetlinkType,
} from "#wire/netlink.ts";
import { isErrnoError, native } from "./native.ts";
import { encodeInt } from "./socket-address.ts";
import {
  AF_NETLINK,
  NETLINK_CAP_ACK,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "./socket-constants.ts";
import { translateErrors } from "./system-error.ts";

/** struct sockaddr_nl: family, padding, port id, groups. All zero behind the family means the kernel. */
const KERNEL_ADDRESS_BYTES = 12;

/** The largest piece the kernel cuts a long list into is 32 KiB. */
const RECEIVE_BYTES = 65_536;
/** Room for the errors of a whole batch, about 1 KiB each as the kernel counts. */
const SOCKET_RECEIVE_BYTES = 4 * 1024 * 1024;
const SOCKET_SEND_BYTES = 1024 * 1024;
/** How often a list is asked for again because the tables changed meanwhile. */
const DUMP_ATTEMPT_COUNT_MAX = 8;

/** Completes "Cannot …" in errors. */
const WHAT = "ask over netlink";

/** The kernel's answer to one message of a request. */
export interface NetlinkAnswer {
  readonly sequence: number;
  /** 0 for success. */
  readonly errno: number;
}

/** A socket to one part of the kernel (`NETLINK_ROUTE`, `NETLINK_NETFILTER`). */
export class NetlinkSocket {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(RECEIVE_BYTES);
  #sequence = 1;
  #open = true;

  /** @throws NativeMissingError without the addon; UnavailableError when the kernel refuses. */
  constructor(family: number) {
    const { socket, setsockopt, bind, close } = native();
    this.#fd = translateErrors(WHAT, () => socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, family));
    try {
      translateErrors(WHAT, () => {
        // Acknowledgements come without a copy of the request.
        setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, encodeInt(1));
        bind(this.#fd, kernelAddress());
      });
      this.#enlarge(SO_SNDBUFFORCE, SOCKET_SEND_BYTES);
      this.#enlarge(SO_RCVBUFFORCE, SOCKET_RECEIVE_BYTES);
    } catch (error) {
      close(this.#fd);
      throw error;
    }
  }

  /** Takes `count` sequence numbers and gives the first. */
  reserve(count: number): number {
    if (this.#sequence + count > 0xffffffff) this.#sequence = 1;
    const first = this.#sequence;
    this.#sequence += count;
    return first;
  }

  /**
   * Sends a request and collects the answers until the one for message `last`, or for `first`, under which the
   * kernel refuses a batch as a whole. `onMessage` sees what is not an answer.
   * @throws UnavailableError when the kernel gives none.
   */
  ask(
    bytes: Uint8Array,
    first: number,
    last: number,
    onMessage?: (message: NetlinkMessage) => void,
  ): NetlinkAnswer[] {
    this.#send(bytes);
    const answers: NetlinkAnswer[] = [];
    for (;;) {
      for (const message of this.#receive()) {
        // What is left of an earlier exchange that broke off.
        if (message.sequence < first || message.sequence > last) continue;
        if (message.type !== NetlinkType.error) {
          onMessage?.(message);
          continue;
        }
        const reply = decodeNetlinkReply(message.body);
        if (reply) answers.push({ sequence: message.sequence, errno: reply.errno });
        if (message.sequence === last || message.sequence === first) return answers;
      }
    }
  }

  /**
   * Sends a request that asks for no acknowledgement and gives the one message that answers it, or the errno of a
   * refusal; the message's bytes are good until the next request.
   * @throws UnavailableError when the kernel gives none.
   */
  askForOne(bytes: Uint8Array, sequence: number): NetlinkMessage | number {
    this.#send(bytes);
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type !== NetlinkType.error) return message;
        return decodeNetlinkReply(message.body)?.errno ?? 0;
      }
    }
  }

  /**
   * The messages of a list, asked for by `encode(sequence)`; again from the start when the tables changed while
   * the kernel was listing them.
   * @throws UnavailableError when they never stand still.
   * @returns the messages, or the errno of a refusal.
   */
  list(encode: (sequence: number) => Uint8Array): NetlinkMessage[] | number {
    for (let attempt = 0; attempt < DUMP_ATTEMPT_COUNT_MAX; attempt++) {
      const sequence = this.reserve(1);
      this.#send(encode(sequence));
      const result = this.#collect(sequence);
      if (result !== "interrupted") return result;
    }
    throw new UnavailableError(
      `Cannot list over netlink: the tables changed during each of ${DUMP_ATTEMPT_COUNT_MAX} attempts`,
    );
  }

  /** Closes the socket, and with it every table it owns. */
  close(): void {
    if (this.#open) native().close(this.#fd);
    this.#open = false;
  }

  #collect(sequence: number): NetlinkMessage[] | number | "interrupted" {
    const messages: NetlinkMessage[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if ((message.flags & NetlinkFlag.dumpInterrupted) !== 0) interrupted = true;
        if (message.type === NetlinkType.error || message.type === NetlinkType.done) {
          const errno = decodeNetlinkReply(message.body)?.errno ?? 0;
          if (errno !== 0) return errno;
          return interrupted ? "interrupted" : messages;
        }
        // The buffer is used again for the next piece.
        messages.push({ ...message, body: message.body.slice() });
      }
    }
  }

  #send(bytes: Uint8Array): void {
    if (!this.#open) throw new UnavailableError("Cannot ask over netlink: the socket is closed");
    translateErrors(WHAT, () => native().send(this.#fd, bytes, 0, kernelAddress()));
  }

  #receive(): NetlinkMessage[] {
    const lengthBytes = translateErrors(WHAT, () => native().receive(this.#fd, this.#buffer, 0));
    const messages =
      lengthBytes > 0 ? decodeNetlinkMessages(this.#buffer.subarray(0, lengthBytes)) : undefined;
    if (messages === undefined || messages.length === 0) {
      throw new UnavailableError(
        `Cannot ask over netlink: the kernel's answer is missing or cut off (${lengthBytes} bytes)`,
      );
    }
    return messages;
  }

  /** Without root the machine's own limits stay, which are enough for reading. */
  #enlarge(option: number, bytes: number): void {
    try {
      native().setsockopt(this.#fd, SOL_SOCKET, option, encodeInt(bytes));
    } catch (error) {
      if (!isErrnoError(error)) throw error;
    }
  }
}

function kernelAddress(): Uint8Array {
  const address = new Uint8Array(KERNEL_ADDRESS_BYTES);
  new DataView(address.buffer).setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
  return address;
}
