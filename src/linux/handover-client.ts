/**
 * The asking side of a socket handover: connect, ask, receive the descriptors.
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { ProtocolViolationError, UnavailableError } from "#base/errors.ts";
import type { IpAddress } from "#base/ip-address.ts";
import { type Duration, seconds } from "#base/time.ts";
import type { BroadcastSocket } from "#io/datagram.ts";
import type { SocketRequest } from "#io/socket-handover.ts";
import { SteadyClock } from "./clock.ts";
import { LinuxBroadcastSocket } from "./datagram.ts";
import { decodeAnswer, encodeRequest, HANDOVER_BYTES_MAX } from "./handover-message.ts";
import { isErrnoError, native, PASSED_COUNT_MAX, READABLE } from "./native.ts";
import { encodeSockaddrUn } from "./socket-address.ts";
import { AF_UNIX, MSG_DONTWAIT, SOCK_NONBLOCK, SOCK_SEQPACKET } from "./socket-constants.ts";
import { SystemCallError } from "./system-error.ts";

/** How often a broker that is not there yet is looked for, in milliseconds. */
const RETRY_MILLISECONDS = 50;

/** Patience must not change when somebody sets the machine's time. */
const clock = new SteadyClock();

export interface HandoverOptions {
  /** For the broker to appear and to answer; 5 s unless told otherwise. */
  readonly timeout?: Duration;
}

/**
 * The descriptors of a socket, from the broker that listens at `path`; the caller owns them.
 * @throws SocketDeniedError when the broker's list does not have it, UnavailableError when there is no broker in
 * time or the kernel refused it, LimitExceededError when too many ask, ProtocolViolationError on any other answer.
 */
export async function requestSocket(
  path: string,
  request: SocketRequest,
  options: HandoverOptions = {},
): Promise<number[]> {
  const end = clock.now() + (options.timeout ?? seconds(5));
  const fd = await connectUntil(path, end);
  try {
    unlessClosed(() => native().send(fd, encodeRequest(request), MSG_DONTWAIT));
    await readable(fd, end, path);
    return receiveAnswer(fd);
  } catch (error) {
    if (isErrnoError(error)) throw new SystemCallError(`get a socket from ${path}`, error.code, error);
    throw error;
  } finally {
    native().close(fd);
  }
}

/** The DHCPv4 server's socket on an interface, from the broker; errors as of {@link requestSocket}. */
export async function requestDhcp4Socket(
  path: string,
  place: { readonly interface: string; readonly address: IpAddress },
  options: HandoverOptions = {},
): Promise<BroadcastSocket> {
  const descriptors = await requestSocket(path, { kind: "dhcp4", interface: place.interface }, options);
  const [udp, packet] = descriptors;
  if (udp === undefined || packet === undefined) {
    for (const fd of descriptors) native().close(fd);
    throw new ProtocolViolationError(
      `Cannot get a socket from ${path}: ${descriptors.length} descriptors, not 2`,
    );
  }
  return new LinuxBroadcastSocket({
    interfaceName: place.interface,
    port: 67,
    address: place.address,
    descriptors: { udp, packet },
  });
}

/** A connection to the broker; `undefined` when it is there and its queue is full; throws when it is not there. */
export function connectHandover(path: string): number | undefined {
  const fd = native().socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
  try {
    native().connect(fd, encodeSockaddrUn(path));
    return fd;
  } catch (error) {
    native().close(fd);
    if (isErrnoError(error) && error.code === "EAGAIN") return undefined;
    throw error;
  }
}

async function connectUntil(path: string, end: number): Promise<number> {
  for (;;) {
    let seen = "its queue is full";
    try {
      const fd = connectHandover(path);
      if (fd !== undefined) return fd;
    } catch (error) {
      // Not started yet, or just being restarted; anything else will not mend itself.
      if (!isErrnoError(error)) throw error;
      if (!["ENOENT", "ECONNREFUSED"].includes(error.code)) {
        throw new SystemCallError(`reach the broker at ${path}`, error.code, error);
      }
      seen = error.code;
    }
    if (clock.now() >= end) {
      throw new UnavailableError(`Cannot reach the broker at ${path}: ${seen}; is 'metanet up' running?`);
    }
    await sleep(RETRY_MILLISECONDS);
  }
}

function readable(fd: number, end: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      native().unwatch(watch);
      settle();
    };
    // First, because it may throw, and a timer that was set would ring all the same.
    const watch = native().watch(fd, READABLE, () => finish(resolve));
    const late = new UnavailableError(`Cannot get a socket from ${path}: the broker does not answer`);
    const timer = setTimeout(() => finish(() => reject(late)), Math.max(0, end - clock.now()));
  });
}

/**
 * The result of `action`, or `undefined` when the broker has closed the connection: it does so after a refusal
 * without having read the request, the kernel tells that first, and the answer is there behind it.
 */
function unlessClosed<R>(action: () => R): R | undefined {
  try {
    return action();
  } catch (error) {
    if (isErrnoError(error) && ["EPIPE", "ECONNRESET"].includes(error.code)) return undefined;
    throw error;
  }
}

function receiveAnswer(fd: number): number[] {
  const bytes = new Uint8Array(HANDOVER_BYTES_MAX);
  const places = new Int32Array(PASSED_COUNT_MAX);
  const receive = (): number => native().receiveDescriptors(fd, bytes, places);
  const count = unlessClosed(receive) ?? receive();
  const descriptors = [...places].filter((place) => place >= 0);
  const refusal = decodeAnswer(bytes.subarray(0, Math.max(0, count)));
  if (!refusal) return descriptors;
  for (const descriptor of descriptors) native().close(descriptor);
  throw refusal;
}
