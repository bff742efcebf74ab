/**
 * What is due first: a binary heap of items by a number, usually a time. Items of the same number come out in the
 * order in which they went in. The caller bounds how many it holds.
 * @module
 */

/** Three flat arrays instead of one of objects: an entry costs no allocation. */
export class Heap<Item> {
  readonly #keys: number[] = [];
  readonly #sequences: number[] = [];
  readonly #items: Item[] = [];
  #sequence = 0;

  /** How many items it holds. */
  get size(): number {
    return this.#keys.length;
  }

  /** The smallest key; `undefined` when the heap is empty. */
  get firstKey(): number | undefined {
    return this.#keys[0];
  }

  /** The item that {@link take} would take out; `undefined` when the heap is empty. */
  get first(): Item | undefined {
    return this.#items[0];
  }

  /** Puts `item` in; takes time in proportion to the logarithm of the size. */
  add(key: number, item: Item): void {
    this.#rise(this.#keys.length, key, this.#sequence++, item);
  }

  /** Takes out the item with the smallest key, of equals the oldest; `undefined` when the heap is empty. */
  take(): Item | undefined {
    const first = this.#items[0];
    const key = this.#keys.pop();
    const sequence = this.#sequences.pop();
    const item = this.#items.pop();
    if (key === undefined || sequence === undefined) return undefined;
    // The items themselves may be undefined, so only the keys tell whether one is left.
    if (this.#keys.length > 0) this.#sink(key, sequence, item as Item);
    return first;
  }

  /** Keeps only the items that pass; those that stay keep their order. */
  keep(passes: (item: Item) => boolean): void {
    const { length } = this.#keys;
    let kept = 0;
    for (let index = 0; index < length; index++) {
      const item = this.#items[index] as Item;
      if (!passes(item)) continue;
      const key = this.#keys[index] as number;
      const sequence = this.#sequences[index] as number;
      // Never past what has been read: each item rises from the place behind those kept.
      this.#rise(kept++, key, sequence, item);
    }
    this.#keys.length = kept;
    this.#sequences.length = kept;
    this.#items.length = kept;
  }

  #rise(from: number, key: number, sequence: number, item: Item): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!this.#isBehind(parent, key, sequence)) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#put(index, key, sequence, item);
  }

  #sink(key: number, sequence: number, item: Item): void {
    const size = this.#keys.length;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      const right = child + 1;
      if (
        right < size &&
        this.#isBehind(child, this.#keys[right] as number, this.#sequences[right] as number)
      ) {
        child = right;
      }
      if (this.#isBehind(child, key, sequence)) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, key, sequence, item);
  }

  /** Whether the entry at `index` comes out after one with this key and sequence. */
  #isBehind(index: number, key: number, sequence: number): boolean {
    const other = this.#keys[index] as number;
    return other > key || (other === key && (this.#sequences[index] as number) > sequence);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#keys[from] as number, this.#sequences[from] as number, this.#items[from] as Item);
  }

  #put(index: number, key: number, sequence: number, item: Item): void {
    this.#keys[index] = key;
    this.#sequences[index] = sequence;
    this.#items[index] = item;
  }
}
