/**
 * The hash of what makes a flow: both ends, the protocol, the encapsulation. The ends are sorted first, so that both
 * directions hash alike; the hash is keyed, so that nobody fills one bucket of a table, or one worker, on purpose.
 * @module
 */
import type { Layers } from "../layers/layers.ts";
import { halfSipHash, halfSipHashOfFour } from "./half-sip-hash.ts";
import * as record from "./record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { Word } = record;

/** Two words of 32 bits that nobody outside may know. */
export type HashKey = readonly [low: number, high: number];

/** Two ends of an IPv6 flow (9 words), the encapsulation, the final word. */
const MESSAGE_WORDS = 11;
const message = new Int32Array(MESSAGE_WORDS);
/** SipHash's final word of IPv4 without encapsulation: 13 bytes, the last of which is the protocol. */
const FINAL4: number = 13 << 24;

/**
 * A number from -2^31 to 2^31 - 1, the same for both directions of a flow. To share flows among n workers take
 * `(hash >>> 0) % n`, with another key than that of the workers' tables: with the same one a worker's flows would meet
 * in a part of its buckets.
 */
export function symmetricHash(layers: Layers, key: HashKey): number {
  return hashLayers(layers, key[0] | 0, key[1] | 0);
}

/** The same with the key's words apart: what a table calls for every packet. */
export function hashLayers(layers: Layers, key0: number, key1: number): number {
  const { sourcePort, targetPort, protocol, encapsulation } = layers;
  const source3 = layers.source3 | 0;
  const target3 = layers.target3 | 0;
  if (layers.version === 4) {
    return hash4(source3, target3, sourcePort, targetPort, protocol, encapsulation | 0, key0, key1);
  }
  message[0] = layers.source0;
  message[1] = layers.source1;
  message[2] = layers.source2;
  message[3] = source3;
  message[4] = layers.target0;
  message[5] = layers.target1;
  message[6] = layers.target2;
  message[7] = target3;
  return hash6(sourcePort, targetPort, protocol, encapsulation | 0, key0, key1);
}

/** The hash of the flow whose record begins at `base`; the same as that of its packets. */
export function hashRecord(
  words: Int32Array,
  base: number,
  isIpv6: boolean,
  key0: number,
  key1: number,
): number {
  const ports = words[base + Word.ports] as number;
  const protocol = (words[base + Word.bytes] as number) & 0xff;
  const encapsulation = words[base + Word.encapsulation] as number;
  if (!isIpv6) {
    const client = words[base + Word.client + 3] as number;
    const server = words[base + Word.server + 3] as number;
    return hash4(client, server, ports >>> 16, ports & 0xffff, protocol, encapsulation, key0, key1);
  }
  // The two addresses lie next to each other in a record, as they do in the message.
  for (let index = 0; index < 8; index++) message[index] = words[base + index] as number;
  return hash6(ports >>> 16, ports & 0xffff, protocol, encapsulation, key0, key1);
}

/** Any order of the ends will do, as long as it is one: the addresses' as signed words, then the ports'. */
function hash4(
  source: number,
  target: number,
  sourcePort: number,
  targetPort: number,
  protocol: number,
  encapsulation: number,
  key0: number,
  key1: number,
): number {
  const isOrdered = source < target || (source === target && sourcePort <= targetPort);
  const first = isOrdered ? source : target;
  const second = isOrdered ? target : source;
  const ports = isOrdered ? (sourcePort << 16) | targetPort : (targetPort << 16) | sourcePort;
  if (encapsulation === 0) return halfSipHashOfFour(first, second, ports, FINAL4 | protocol, key0, key1);
  message[0] = first;
  message[1] = second;
  message[2] = ports;
  return halfSipHash(message, finish(3, protocol, encapsulation), key0, key1, 1, 3);
}

/** The addresses stand in words 0 to 7 of the message. */
function hash6(
  sourcePort: number,
  targetPort: number,
  protocol: number,
  encapsulation: number,
  key0: number,
  key1: number,
): number {
  let order = 0;
  for (let index = 0; index < 4 && order === 0; index++) {
    const source = message[index] as number;
    const target = message[index + 4] as number;
    order = source < target ? -1 : source > target ? 1 : 0;
  }
  if (order === 0) order = sourcePort - targetPort;
  if (order > 0) {
    for (let index = 0; index < 4; index++) {
      const source = message[index] as number;
      message[index] = message[index + 4] as number;
      message[index + 4] = source;
    }
    message[8] = (targetPort << 16) | sourcePort;
  } else {
    message[8] = (sourcePort << 16) | targetPort;
  }
  return halfSipHash(message, finish(9, protocol, encapsulation), key0, key1, 1, 3);
}

/** Puts the rest behind `count` words; SipHash's final word tells all four kinds of message apart by their length. */
function finish(count: number, protocol: number, encapsulation: number): number {
  let end = count;
  if (encapsulation !== 0) message[end++] = encapsulation;
  message[end] = ((end * 4 + 1) << 24) | protocol;
  return end + 1;
}
