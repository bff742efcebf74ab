/**
 * What the DHCP server counts, by name; the manual page says what each means.
 * @module
 */

/** Every name there is, so that a counter that is still 0 shows as well. */
export const COUNTERS = [
  "received-discover",
  "received-request",
  "received-release",
  "received-decline",
  "received-inform",
  "sent-offer",
  "sent-ack",
  "sent-nak",
  "malformed-short",
  "malformed-operation",
  "malformed-hardware-length",
  "malformed-cookie",
  "malformed-option-length",
  "ignored-reply",
  "ignored-type",
  "ignored-identity",
  "ignored-fields",
  "ignored-other-server",
  "ignored-unknown-client",
  "dropped-by-listener",
  "dropped-no-subnet",
  "dropped-duplicate",
  "dropped-superseded",
  "dropped-busy",
  "dropped-exhausted",
  "dropped-store",
  "dropped-not-the-client",
  "lookup-by-pool",
  "lookup-by-listener",
  "lookup-deadline",
  "lookup-bad-answer",
  "lookup-late-answer",
  "listener-error",
  "listener-bad-option",
  "option-left-out",
  "offer-expired",
  "lease-expired",
] as const;

export type CounterName = (typeof COUNTERS)[number];

export class Counters {
  readonly #counts = new Map<CounterName, number>(COUNTERS.map((name) => [name, 0]));

  count(name: CounterName): void {
    this.#counts.set(name, this.get(name) + 1);
  }

  get(name: CounterName): number {
    return this.#counts.get(name) ?? 0;
  }

  names(): readonly CounterName[] {
    return COUNTERS;
  }

  values(): readonly number[] {
    return COUNTERS.map((name) => this.get(name));
  }
}
