/**
 * Randomness as an interface: `linux/` answers with the kernel's generator, `sim/` with a seeded one.
 * @module
 */

export interface Random {
  /** `count` random bytes, fit for secrets when the implementation is `linux/`'s. */
  bytes(count: number): Uint8Array;
}
