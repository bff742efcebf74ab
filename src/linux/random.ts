/**
 * The kernel's random numbers, fit for secrets.
 * @module
 */
import { randomBytes } from "node:crypto";
import type { Random } from "#base/random.ts";

export class LinuxRandom implements Random {
  bytes(count: number): Uint8Array {
    // A copy, because Node hands out slices of one pool whose buffer a caller could otherwise reach.
    return new Uint8Array(randomBytes(count));
  }
}
