/**
 * What synthetic conversations say, packet by packet, as steps in one array: the reference exchange, a short one, one
 * that the network has disordered, and those that never end.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import { SEGMENT_BYTES } from "./flow-frames.ts";

/** Numbers for each step: direction, flags, sequence and acknowledgement beyond the initial ones, payload's bytes. */
export const STEP_NUMBERS = 5;

/** The steps of one conversation, {@link STEP_NUMBERS} numbers each; sequence 0 is the SYN's. */
export type Script = readonly number[];

const FIN_ACK = 0x11;
const SYN = 0x02;
const SYN_ACK = 0x12;
const ACK = 0x10;
const PUSH_ACK = 0x18;

/** Of the reference conversation: what the client asks with, and in how many segments it is answered. */
const REQUEST_BYTES = 200;
const SEGMENT_COUNT = 20;
/** Of a short one: payloads that make frames of 64 bytes, and how many of each side. */
const SHORT_BYTES = 10;
const SHORT_COUNT = 4;
const SMALL_REQUEST_BYTES = 100;

const HANDSHAKE: Script = [0, SYN, 0, 0, 0, 1, SYN_ACK, 0, 1, 0, 0, ACK, 1, 1, 0];

/** A handshake, a request, an answer of 20 full segments of which every second is acknowledged, four packets of an end. */
export function referenceScript(): Script {
  const segments = Array.from({ length: SEGMENT_COUNT }, (_, index) => segment(index));
  return exchange(segments);
}

/** The same with 5 % of the segments late by one to three, and 1 % sent again: as they were, or across a boundary. */
export function disorderedScript(random: SeededRandom): Script {
  const segments = Array.from({ length: SEGMENT_COUNT }, (_, index) => segment(index));
  for (let index = 0; index < SEGMENT_COUNT; index++) {
    if (random.below(100) >= 5) continue;
    const target = Math.min(SEGMENT_COUNT - 1, index + 1 + random.below(3));
    segments.splice(target, 0, ...segments.splice(index, 1));
  }
  for (let index = 1; index < SEGMENT_COUNT - 1; index++) {
    if (random.below(100) > 0) continue;
    const again = segment(index);
    if (random.below(2) === 1) again.offset -= 1 + random.below(SEGMENT_BYTES - 1);
    segments.splice(Math.min(segments.length, index + 1 + random.below(4)), 0, again);
  }
  return exchange(segments);
}

/** Requests and answers of ten bytes: frames of 64 bytes and less. */
export function smallScript(): Script {
  const steps = [...HANDSHAKE];
  for (let turn = 0; turn < SHORT_COUNT; turn++) {
    const said = 1 + turn * SHORT_BYTES;
    steps.push(0, PUSH_ACK, said, said, SHORT_BYTES, 1, PUSH_ACK, said, said + SHORT_BYTES, SHORT_BYTES);
  }
  const end = 1 + SHORT_COUNT * SHORT_BYTES;
  steps.push(0, FIN_ACK, end, end, 0, 1, FIN_ACK, end, end + 1, 0, 0, ACK, end + 1, end + 1, 0);
  return steps;
}

/** A handshake and a request that nobody answers. */
export function openScript(): Script {
  return [...HANDSHAKE, 0, PUSH_ACK, 1, 1, SMALL_REQUEST_BYTES];
}

/** Datagrams or echoes, there and back; the sequence is the datagram's number or where its bytes begin. */
export function datagramScript(count: number, payloadBytes: number): Script {
  return Array.from({ length: count }, (_, index) => [
    ...[0, 0, index, 0, payloadBytes],
    ...[1, 0, index, 0, payloadBytes],
  ]).flat();
}

interface Segment {
  offset: number;
}

function segment(index: number): Segment {
  return { offset: index * SEGMENT_BYTES };
}

function exchange(segments: readonly Segment[]): Script {
  const steps = [...HANDSHAKE, 0, PUSH_ACK, 1, 1, REQUEST_BYTES];
  const asked = 1 + REQUEST_BYTES;
  steps.push(1, ACK, 1, asked, 0);
  const got: Segment[] = [];
  for (const [index, { offset }] of segments.entries()) {
    steps.push(1, ACK, 1 + offset, asked, SEGMENT_BYTES);
    got.push({ offset });
    if (index % 2 === 1 || index === segments.length - 1) steps.push(0, ACK, asked, 1 + contiguous(got), 0);
  }
  const answered = 1 + SEGMENT_COUNT * SEGMENT_BYTES;
  steps.push(1, FIN_ACK, answered, asked, 0, 0, ACK, asked, answered + 1, 0);
  steps.push(0, FIN_ACK, asked, answered + 1, 0, 1, ACK, answered + 1, asked + 1, 0);
  return steps;
}

/** Up to where there is no hole. */
function contiguous(got: readonly Segment[]): number {
  let end = 0;
  for (const { offset } of [...got].sort((left, right) => left.offset - right.offset)) {
    if (offset <= end) end = Math.max(end, offset + SEGMENT_BYTES);
  }
  return end;
}
