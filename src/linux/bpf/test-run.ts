/**
 * BPF_PROG_TEST_RUN: a program over a packet, without any network.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { ProgramImage, TestOptions, TestRun } from "#io/kernel-programs.ts";
import { attribute, bpf, errnoName, fieldOf } from "./bpf-call.ts";
import { bpfError } from "./bpf-error.ts";
import { needOf } from "./load.ts";

const TEST_BYTES = 80;
/** `struct __sk_buff`, of which only the mark and the segments matter here. */
const SKB_BYTES = 192;
const SKB_MARK_AT = 8;
const SKB_SEGMENT_COUNT_AT = 164;
const SKB_SEGMENT_BYTES_AT = 176;
/** `struct nf_hook_state`: the hook, the family, and addresses, which the kernel fills in. */
const HOOK_STATE_BYTES = 48;
const HOOK_OUTPUT = 3;
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;
/** A program may put so much before and behind a packet. */
const GROWTH_BYTES_MAX = 4096;
/** What the kernel wants at least: an Ethernet header, an IPv4 header. */
const PACKET_BYTES_MIN = { netfilter: 20, "tcx-ingress": 14, "tcx-egress": 14, xdp: 14 } as const;
export const REPEAT_COUNT_MAX = 100_000_000;

/** @throws ConfigurationError when the packet is too short or too long for the kernel's tests */
export function testRun(
  image: ProgramImage,
  descriptor: number,
  packet: Uint8Array,
  { repeat = 1, mark = 0, segmentBytes = 0 }: TestOptions = {},
): TestRun {
  const doing = `run ${image.name} over a packet`;
  const least = PACKET_BYTES_MIN[image.type];
  if (packet.length < least) {
    throw new ConfigurationError(`Cannot ${doing}: it has ${packet.length} bytes, wanted ${least} or more`);
  }
  const context = contextOf(image, packet, { mark, segmentBytes });
  const contextOut =
    image.type === "netfilter" || context === undefined ? undefined : new Uint8Array(SKB_BYTES);
  const out = new Uint8Array(packet.length + GROWTH_BYTES_MAX);
  const attributes = attribute(
    TEST_BYTES,
    [0, descriptor],
    [8, packet.length],
    [12, image.type === "netfilter" ? 0 : out.length],
    [32, Math.min(repeat, REPEAT_COUNT_MAX)],
    [40, context?.length ?? 0],
    [44, contextOut?.length ?? 0],
  );
  const data = image.type === "netfilter" ? undefined : out;
  const answer = bpf("testRun", attributes, packet, data, context, contextOut);
  if (answer < 0) throw testError(doing, answer, image, packet);
  return {
    verdict: fieldOf(attributes, 4) | 0,
    bytes: data === undefined ? packet.slice() : out.slice(0, fieldOf(attributes, 12)),
    nanoseconds: fieldOf(attributes, 36),
    mark: contextOut === undefined ? mark : fieldOf(contextOut, SKB_MARK_AT),
  };
}

function contextOf(
  image: ProgramImage,
  packet: Uint8Array,
  { mark = 0, segmentBytes = 0 }: TestOptions,
): Uint8Array | undefined {
  if (image.type === "xdp") return undefined;
  if (image.type !== "netfilter") {
    const count = segmentBytes === 0 ? 0 : Math.ceil(packet.length / segmentBytes);
    return attribute(
      SKB_BYTES,
      [SKB_MARK_AT, mark],
      [SKB_SEGMENT_COUNT_AT, count],
      [SKB_SEGMENT_BYTES_AT, segmentBytes],
    );
  }
  const state = new Uint8Array(HOOK_STATE_BYTES);
  state[0] = HOOK_OUTPUT;
  state[1] = (packet[0] ?? 0) >> 4 === 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
  return state;
}

function testError(doing: string, answer: number, image: ProgramImage, packet: Uint8Array): Error {
  const errno = errnoName(answer);
  if (errno !== "EINVAL" && errno !== "ENOMEM") return bpfError(doing, answer, needOf(image.type));
  const seen = `the kernel does not take a packet of ${packet.length} bytes like this (${errno})`;
  const wanted =
    image.type === "netfilter" ? "a whole IPv4 or IPv6 packet" : "an Ethernet frame below 3500 bytes";
  return new ConfigurationError(`Cannot ${doing}: ${seen}, wanted ${wanted}`);
}
