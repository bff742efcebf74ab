/**
 * The whole table of the subset.
 * @module
 */
import { PACKET_ROWS } from "./packets.ts";
import type { SubsetRow } from "./row.ts";
import { STATEMENT_ROWS } from "./statements.ts";
import { SURROUNDINGS_ROWS } from "./surroundings.ts";
import { VALUE_ROWS } from "./values.ts";

export const SUBSET: readonly SubsetRow[] = [
  ...VALUE_ROWS,
  ...STATEMENT_ROWS,
  ...PACKET_ROWS,
  ...SURROUNDINGS_ROWS,
];
