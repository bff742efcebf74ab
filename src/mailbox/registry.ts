/**
 * The types of the messages at each address. Contracts add to {@link Registry} by declaration merging, so that
 * listeners and senders of a known address are typed and all others are free.
 * @module
 */
import type { Loose } from "./message.ts";

/** For each address `{ takes, answers }`, the shapes of its messages; empty here, filled by `src/contract/`. */
// biome-ignore lint/suspicious/noEmptyInterface: contracts merge their mailboxes into it.
export interface Registry {}

export type Takes<Address extends string> = Address extends keyof Registry
  ? Registry[Address] extends { takes: infer Shape extends object }
    ? Shape
    : Loose
  : Loose;

export type Answers<Address extends string> = Address extends keyof Registry
  ? Registry[Address] extends { answers: infer Shape extends object }
    ? Shape
    : Loose
  : Loose;
