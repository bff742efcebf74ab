/**
 * What the tests of impaired links share: numbered datagrams with the times they were sent and came, and what the model
 * decides about them.
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { instant } from "#base/time.ts";
import { native, READABLE } from "#linux/native.ts";
import { Impairment } from "#script/impairment.ts";
import type { ImpairmentOptions } from "#script/impairment-options.ts";
import type { UdpHost } from "./packet-queue-net.ts";

/** Packets that come every so often, in milliseconds. */
const STEP = 5;

/** A datagram that came: how long it was on its way, in milliseconds, and whether it was the first of its number. */
export interface Arrival {
  readonly number: number;
  readonly delay: number;
  readonly at: number;
  readonly isFirst: boolean;
}

export interface Stream {
  readonly from: UdpHost;
  readonly to: UdpHost;
  readonly address: string;
  readonly port: number;
  readonly count: number;
  /** Datagrams of one step; all at once when absent. */
  readonly perStep?: number;
  readonly lengthBytes?: number;
  /** How long is waited for the last one. */
  readonly patience?: number;
}

/** Sends numbered datagrams and tells of each that came, in the order of their coming. */
export async function sendNumbered(stream: Stream): Promise<Arrival[]> {
  const { from, to, address, port, count, perStep = count, lengthBytes = 20, patience = 300 } = stream;
  to.received();
  const sent: number[] = [];
  const arrivals: Arrival[] = [];
  const seen = new Set<number>();
  const take = (): void => {
    const texts = to.received();
    const at = performance.now();
    for (const text of texts) {
      const number = Number.parseInt(text, 10);
      arrivals.push({ number, at, delay: at - (sent[number] ?? Number.NaN), isFirst: !seen.has(number) });
      seen.add(number);
    }
  };
  const watch = native().watch(to.fd, READABLE, take);
  try {
    for (let next = performance.now(); sent.length < count; next += STEP) {
      await pause(Math.max(0, next - performance.now()));
      for (let index = 0; index < perStep && sent.length < count; index++) {
        const text = String(sent.length).padEnd(lengthBytes, " ");
        sent.push(performance.now());
        from.send(address, port, text);
      }
    }
    await pause(patience);
  } finally {
    native().unwatch(watch);
  }
  take();
  return arrivals;
}

/** What the same seed decides about packets that come one after the other, far apart. */
export interface Decided {
  readonly lost: ReadonlySet<number>;
  readonly duplicated: ReadonlySet<number>;
  readonly atOnce: ReadonlySet<number>;
  readonly corrupted: ReadonlySet<number>;
}

/** Losses and duplicates do not depend on times. */
export function decide(options: ImpairmentOptions, count: number, wireBytes: number): Decided {
  const model = new Impairment(options);
  const decided = {
    lost: new Set<number>(),
    duplicated: new Set<number>(),
    atOnce: new Set<number>(),
    corrupted: new Set<number>(),
  };
  for (let number = 0; number < count; number++) {
    const departures = model.pass(instant(number * 1000), wireBytes);
    if (departures.length === 0) decided.lost.add(number);
    if (departures.length === 2) decided.duplicated.add(number);
    if (departures.some(({ at }) => at === number * 1000)) decided.atOnce.add(number);
    if (departures.some(({ corruptBit }) => corruptBit !== undefined)) decided.corrupted.add(number);
  }
  return decided;
}

/** The value below which a share of the values lies. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
