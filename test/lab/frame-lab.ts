/**
 * Frames for tests of captures: two ends of a veth pair in one namespace without noise of its own, frames written as they
 * are, and what a capture saw of them.
 * @module
 */
import { execFileSync } from "node:child_process";
import type { CapturedBatch, CapturedPacket } from "#io/captured-packet.ts";
import type { CaptureInstruction } from "#io/packet-capture.ts";
import { native } from "#linux/native.ts";
import { encodeSockaddrLl } from "#linux/socket-address.ts";
import { AF_PACKET, SOCK_NONBLOCK, SOCK_RAW } from "#linux/socket-constants.ts";
import { build } from "#packet/build.ts";
import { EtherType, ethernet } from "#packet/ethernet.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { udp } from "#packet/udp.ts";

/** IEEE 802's type for local experiments: no stack answers it. */
export const EXPERIMENT = 0x88b5;
const HEADER_BYTES = 14;

/** Makes the pair `near` and `far` in this thread's namespace, both up, where nothing speaks by itself. */
export function makePair(near: string, far: string): void {
  execFileSync("sysctl", ["-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]);
  const ip = (...args: string[]): unknown => execFileSync("ip", args, { stdio: "pipe" });
  ip("link", "add", near, "type", "veth", "peer", "name", far);
  for (const device of [near, far]) ip("link", "set", device, "up");
  waitUntilUp([near, far]);
}

/**
 * Waits until the devices send: after `up` a device drops what it is given until the kernel's worker has seen the carrier.
 * @param words for `ip`, in front: `-n NAMESPACE`
 */
export function waitUntilUp(devices: readonly string[], words: readonly string[] = []): void {
  const end = Date.now() + 10_000;
  for (const device of devices) {
    while (!/state UP/.test(execFileSync("ip", [...words, "link", "show", device], { encoding: "utf8" }))) {
      if (Date.now() > end) throw new Error(`Cannot test: ${device} does not come up`);
    }
  }
}

/** Sends frames as they are. */
export class FramePort {
  readonly #fd: number;
  readonly #address: Uint8Array;

  constructor(device: string) {
    this.#fd = native().socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    this.#address = encodeSockaddrLl(native().interfaceIndex(device), 0);
  }

  send(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) native().send(this.#fd, frame, 0, this.#address);
  }

  close(): void {
    native().close(this.#fd);
  }
}

/** A frame for everybody with a text, and zeros up to a length. */
export function textFrame(text: string, lengthBytes = 0, tags: readonly number[] = []): Uint8Array {
  const payload = Buffer.from(text);
  const bytes = new Uint8Array(Math.max(HEADER_BYTES + 4 * tags.length + payload.length, lengthBytes));
  const view = new DataView(bytes.buffer);
  bytes.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1]);
  for (const [index, tag] of tags.entries()) view.setUint32(12 + 4 * index, tag);
  view.setUint16(12 + 4 * tags.length, EXPERIMENT);
  bytes.set(payload, HEADER_BYTES + 4 * tags.length);
  return bytes;
}

/** A UDP datagram in a frame for everybody. */
export function udpFrame(from: string, to: string, text: string): Uint8Array {
  const [source = "", sourcePort = ""] = from.split(":");
  const [destination = "", destinationPort = ""] = to.split(":");
  return build(
    ethernet.header({ source: "02:00:00:00:00:01", destination: "ff:ff:ff:ff:ff:ff", type: EtherType.ipv4 }),
    ipv4.header({ source, destination }),
    udp.header({ sourcePort: Number(sourcePort), destinationPort: Number(destinationPort) }),
    Buffer.from(text),
  ).toBytes();
}

/** The text of {@link textFrame} behind its headers, without the zeros. */
export function textOf({ bytes, offset, capturedBytes }: CapturedPacket): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + offset, capturedBytes).subarray(HEADER_BYTES);
  return text.toString("latin1").replaceAll("\0", "");
}

/** The text of {@link udpFrame}. */
export function datagramOf(packet: CapturedPacket): string {
  return Buffer.from(bytesOf(packet).subarray(HEADER_BYTES + 28)).toString();
}

/** The bytes of a packet, to keep. */
export function bytesOf({ bytes, offset, capturedBytes }: CapturedPacket): Uint8Array {
  return bytes.slice(offset, offset + capturedBytes);
}

/** A consumer that looks at packet after packet. */
export function eachPacket(look: (packet: CapturedPacket) => void): (batch: CapturedBatch) => void {
  return (batch) => {
    while (batch.next()) look(batch.packet);
  };
}

/** One instruction of a program by hand. */
export function bpf(code: number, constant: number, jumpTrue = 0, jumpFalse = 0): CaptureInstruction {
  return { code, constant, jumpTrue, jumpFalse };
}

/** Waits until what `read` gives is wanted, for at most ten seconds; what it gave last. */
export async function eventually<T>(read: () => T, isWanted: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 10_000;
  let value = read();
  while (!isWanted(value) && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    value = read();
  }
  return value;
}
