/**
 * The ordered listeners of one mailbox: bands, then prepended before appended, then `before` and `after`, which
 * are solved anew at every change. The list is replaced, never edited, so that a delivery keeps its snapshot.
 * @module
 */
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { type Entry, formatIdentity, type Identity, type Place } from "./listener.ts";

/** Listeners of one mailbox, at the most. */
export const LISTENERS_MAX = 256;

export class ListenerList {
  /** In the order they are asked; a new array after every change. */
  order: readonly Entry[] = [];
  #entries: Entry[] = [];
  #first = 0;
  #last = 0;

  /** The sequence number of a newcomer, or the old one when the same identity comes back in the same way. */
  sequenceFor(identity: Identity, place: Place): number {
    const old = this.find(identity);
    if (old && samePlace(old.place, place)) return old.sequence;
    return place === "prepend" ? --this.#first : ++this.#last;
  }

  find(identity: Identity): Entry | undefined {
    return this.#entries.find(
      (entry) => entry.identity.process === identity.process && entry.identity.label === identity.label,
    );
  }

  /**
   * Puts a listener in; one of the same identity is replaced.
   * @throws LimitExceededError beyond {@link LISTENERS_MAX}.
   * @throws ConfigurationError when `before` and `after` contradict each other.
   */
  put(entry: Entry): void {
    const others = this.#entries.filter(
      (other) => formatIdentity(other.identity) !== formatIdentity(entry.identity),
    );
    if (others.length >= LISTENERS_MAX) {
      throw new LimitExceededError(`Cannot attach listener: the mailbox has ${LISTENERS_MAX} already`);
    }
    this.order = solve([...others, entry]);
    this.#entries = [...others, entry];
    // An entry may come from a list that was waiting for its mailbox: newcomers go around it all the same.
    this.#first = Math.min(this.#first, entry.sequence);
    this.#last = Math.max(this.#last, entry.sequence);
  }

  remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.order = solve(this.#entries);
  }
}

function samePlace(left: Place, right: Place): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Anchored listeners go next to their anchor; without the anchor, to the end of their band. */
function solve(entries: readonly Entry[]): readonly Entry[] {
  const byBand = (left: Entry, right: Entry): number =>
    left.band - right.band || left.sequence - right.sequence;
  const order = entries.filter((entry) => typeof entry.place === "string").sort(byBand);
  let waiting = entries.filter((entry) => typeof entry.place !== "string").sort(byBand);
  while (waiting.length > 0) {
    const left = waiting.filter((entry) => !insertBeside(order, entry));
    if (left.length === waiting.length) {
      refuseCycle(left);
      for (const entry of left) insertAtEndOfBand(order, entry);
      break;
    }
    waiting = left;
  }
  return order;
}

/** The label or `process/label` that a place names. */
function anchorOf(place: Place): string | undefined {
  if (typeof place === "string") return undefined;
  return "before" in place ? place.before : place.after;
}

function isCalled(entry: Entry, name: string): boolean {
  return entry.identity.label === name || formatIdentity(entry.identity) === name;
}

function insertBeside(order: Entry[], entry: Entry): boolean {
  const anchor = anchorOf(entry.place) ?? "";
  const index = order.findIndex((other) => isCalled(other, anchor));
  if (index < 0) return false;
  const isBefore = typeof entry.place === "object" && "before" in entry.place;
  order.splice(isBefore ? index : endOfFollowers(order, index), 0, entry);
  return true;
}

/** Behind the listener at `index` and those who stand after it, or after one of them, already. */
function endOfFollowers(order: readonly Entry[], index: number): number {
  let end = index + 1;
  for (; end < order.length; end++) {
    const { place } = order[end] as Entry;
    if (typeof place === "string" || !("after" in place)) break;
    if (!order.slice(index, end).some((leader) => isCalled(leader, place.after))) break;
  }
  return end;
}

function insertAtEndOfBand(order: Entry[], entry: Entry): void {
  const index = order.findIndex((other) => other.band > entry.band);
  order.splice(index < 0 ? order.length : index, 0, entry);
}

/** @throws ConfigurationError when following the anchors comes back to where it began. */
function refuseCycle(entries: readonly Entry[]): void {
  for (const start of entries) {
    const path = [formatIdentity(start.identity)];
    let next = entries.find((entry) => isCalled(entry, anchorOf(start.place) ?? ""));
    while (next && path.length <= entries.length) {
      path.push(formatIdentity(next.identity));
      if (next === start) throw new ConfigurationError(`Cannot order listeners: ${path.join(" stands by ")}`);
      const anchor = anchorOf(next.place) ?? "";
      next = entries.find((entry) => isCalled(entry, anchor));
    }
  }
}
