/**
 * The lock of a shared map: a word that holds its owner's number, taken by compare-and-exchange, waited for by
 * spinning shortly and then sleeping. What only its holder touches is ordered by it (ECMAScript 2024 §29.10), so
 * plain loads and stores do in between. A dead owner's lock is broken from outside.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { HEADER } from "./shared-map-layout.ts";

/** Owners are numbered from 1 to this; the bits above tell of sleepers. */
export const LOCK_OWNER_MAX = 0x3fff_ffff;
/** Set in the word while somebody may sleep on it: whoever gives the lock back wakes one. */
export const LOCK_SLEEPERS = 0x4000_0000;
/** Tries before sleeping: about a microsecond, longer than any of our sections but a rebuild. */
const SPIN_COUNT_MAX = 100;
/** Milliseconds of one sleep; a wake-up that went past us costs no more. */
const SLEEP_MAX = 20;

/** Whether this thread may sleep; a browser's main thread may not, and spins. */
const maySleep = ((): boolean => {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
})();

/** @throws ConfigurationError unless the number can own a lock. */
export function checkOwner(owner: number): void {
  if (!Number.isInteger(owner) || owner < 1 || owner > LOCK_OWNER_MAX) {
    throw new ConfigurationError(`Cannot own a map's lock: ${owner} is not 1 to ${LOCK_OWNER_MAX}`);
  }
}

/** Takes a lock that was not free at the first try. */
export function waitForLock(words: Int32Array, owner: number): void {
  let sleepers = 0;
  for (let tries = 0; ; tries++) {
    const seen = Atomics.load(words, HEADER.lock);
    if (seen === 0) {
      // Others may sleep when we did: then our unlocking wakes the next.
      if (Atomics.compareExchange(words, HEADER.lock, 0, owner | sleepers) === 0) break;
      continue;
    }
    // Ours already: an earlier section of this thread was thrown out (its stack was full). Go on from there.
    if ((seen & ~LOCK_SLEEPERS) === owner) break;
    if (tries < SPIN_COUNT_MAX || !maySleep) continue;
    if (Atomics.compareExchange(words, HEADER.lock, seen, seen | LOCK_SLEEPERS) !== seen) continue;
    sleepers = LOCK_SLEEPERS;
    Atomics.wait(words, HEADER.lock, seen | LOCK_SLEEPERS, SLEEP_MAX);
  }
  words[HEADER.waits] = ((words[HEADER.waits] as number) + 1) | 0;
}

/** Takes the lock over from an owner that is gone; `false` when it does not hold it. */
export function takeLockFrom(words: Int32Array, gone: number, owner: number): boolean {
  for (;;) {
    const seen = Atomics.load(words, HEADER.lock);
    if ((seen & ~LOCK_SLEEPERS) !== gone) return false;
    if (Atomics.compareExchange(words, HEADER.lock, seen, owner | (seen & LOCK_SLEEPERS)) === seen)
      return true;
  }
}
