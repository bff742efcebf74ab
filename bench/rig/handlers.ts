/**
 * Everything that has its turn in the measurements of packet scripts, in this order.
 * @module
 */
import { C_BATCHED, C_PLAIN, FORWARDING, type Handler, OURS } from "./handler.ts";

export const HANDLERS: readonly Handler[] = [FORWARDING, C_PLAIN, C_BATCHED, OURS];
