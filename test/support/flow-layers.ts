/**
 * Layers as `decodeLayers` would fill them for a packet between two ends, without making its bytes.
 * @module
 */
import { Layers } from "../../src/flow/layers/layers.ts";

/** One end: four words of address (or the last alone for IPv4) and a port. */
export interface End {
  readonly address: number | readonly [number, number, number, number];
  readonly port: number;
}

/** What of a packet decides about its flow; TCP over IPv4 unless said otherwise. */
export interface PacketEnds {
  readonly source: End;
  readonly target: End;
  readonly protocol?: number;
  readonly version?: 4 | 6;
  readonly encapsulation?: number;
}

/** Of the packet from source to target. */
export function layersOf(packet: PacketEnds): Layers {
  const { source, target, protocol = 6, version = 4, encapsulation = 0 } = packet;
  const layers = new Layers();
  layers.problem = "";
  layers.version = version;
  layers.protocol = protocol;
  layers.encapsulation = encapsulation;
  [layers.source0, layers.source1, layers.source2, layers.source3] = wordsOf(source.address);
  [layers.target0, layers.target1, layers.target2, layers.target3] = wordsOf(target.address);
  layers.sourcePort = source.port;
  layers.targetPort = target.port;
  return layers;
}

/** Of the packet that answers it. */
export function answerOf(packet: PacketEnds): Layers {
  return layersOf({ ...packet, source: packet.target, target: packet.source });
}

function wordsOf(address: End["address"]): readonly [number, number, number, number] {
  return typeof address === "number" ? [0, 0, 0xffff, address] : address;
}
