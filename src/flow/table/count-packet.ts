/**
 * What the record of a flow counts of every packet.
 * @module
 */
import type { Layers } from "../layers/layers.ts";
import type { Direction } from "../side.ts";
import type { FlowTable } from "./flow-table.ts";
import * as record from "./record.ts";

// The module's own, so that the compiler has their numbers; imported ones it looks up each time.
const { DIRECTION_WORDS, DirectionWord, Word } = record;

/** One packet more of a direction, and its bytes; `base` is where the record begins. */
export function countPacket(table: FlowTable, base: number, direction: Direction, layers: Layers): void {
  const { words, numbers } = table;
  const at = base + Word.directions + direction * DIRECTION_WORDS;
  words[at + DirectionWord.packetCount] = (words[at + DirectionWord.packetCount] as number) + 1;
  const network = (at + DirectionWord.networkBytes) >> 1;
  numbers[network] = (numbers[network] as number) + layers.networkBytes;
  const payload = (at + DirectionWord.payloadBytes) >> 1;
  numbers[payload] = (numbers[payload] as number) + layers.payloadBytes;
}
