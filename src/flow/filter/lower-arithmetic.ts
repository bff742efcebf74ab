/**
 * Arithmetic of a filter for one link type: bytes of headers become loads, with what must hold for them to be there.
 * @module
 */
import { type Condition, compare, not } from "./condition.ts";
import type { FilterArithmetic, FilterField, FilterProtocol } from "./expression.ts";
import { FilterError } from "./filter-error.ts";
import type { Place } from "./place.ts";
import type { Value, ValuePool } from "./value.ts";

/** From here on numbers are places of the kernel's own in classic BPF. */
const OFFSET_LIMIT = 0x8000_0000;
const IP6_HEADER_BYTES = 40;

/** Those that follow the header of IPv4. */
const BEHIND_IP: ReadonlySet<FilterProtocol> = new Set<FilterProtocol>([
  ...(["tcp", "udp", "sctp", "icmp", "igmp", "igrp", "pim", "vrrp", "carp"] as const),
]);

/** Numbers a filter computes, at the places where the headers are now. */
export class Arithmetic {
  readonly #pool: ValuePool;
  readonly #place: Place;
  readonly #isProtocol: (protocol: FilterProtocol, column: number) => Condition;

  constructor(
    pool: ValuePool,
    place: Place,
    isProtocol: (protocol: FilterProtocol, column: number) => Condition,
  ) {
    this.#pool = pool;
    this.#place = place;
    this.#isProtocol = isProtocol;
  }

  /** RFC 791 §3.1: only the fragment with offset 0 has the next header. */
  isFirstFragment(): Condition {
    return not(compare("&", this.#place.network(2, 6), this.#pool.constant(0x1fff)));
  }

  /** Bytes at a place behind the header of IPv4. */
  behindIpHeader(sizeBytes: 1 | 2 | 4, at: number, more?: Value): Value {
    const { networkAt, shift } = this.#place;
    const parts = [more, shift, this.#pool.headerLength(networkAt, shift)].filter(
      (part) => part !== undefined,
    );
    const base = parts.reduce((sum, part) => this.#pool.binary("+", sum, part));
    return this.#pool.load(sizeBytes, networkAt + at, base);
  }

  /** The value, and onto `checks` what must hold before it is read. */
  value(arithmetic: FilterArithmetic, checks: Condition[]): Value {
    const pool = this.#pool;
    switch (arithmetic.kind) {
      case "number":
        return pool.constant(arithmetic.value);
      case "length":
        return pool.length();
      case "negate":
        return pool.negate(this.value(arithmetic.operand, checks));
      case "field":
        return this.#field(arithmetic, checks);
      case "binary": {
        const { operator, column } = arithmetic;
        const left = this.value(arithmetic.left, checks);
        const right = this.value(arithmetic.right, checks);
        if (right.kind === "constant") {
          if (right.value === 0 && (operator === "/" || operator === "%")) {
            throw new FilterError({ column, seen: "a division by zero" });
          }
          if (right.value > 31 && (operator === "<<" || operator === ">>")) {
            throw new FilterError({ column, seen: `a shift by ${right.value} bits, at most 31` });
          }
        }
        return pool.binary(operator, left, right);
      }
    }
  }

  #field({ protocol, index, sizeBytes, column }: FilterField, checks: Condition[]): Value {
    const pool = this.#pool;
    const place = this.#place;
    const value = this.value(index, checks);
    const at = value.kind === "constant" ? value.value : 0;
    const more = value.kind === "constant" ? undefined : value;
    let load: Value;
    if (protocol === "ether") load = pool.load(sizeBytes, place.linkAt + at, more);
    else if (BEHIND_IP.has(protocol)) {
      checks.push(this.#isProtocol("ip", column), this.#isProtocol(protocol, column), this.isFirstFragment());
      load = this.behindIpHeader(sizeBytes, at, more);
    } else {
      checks.push(this.#isProtocol(protocol === "icmp6" ? "ip6" : protocol, column));
      if (protocol === "icmp6") {
        checks.push(compare("=", place.network(1, 6), pool.constant(58)));
      }
      const header = protocol === "icmp6" ? IP6_HEADER_BYTES : 0;
      const base =
        more === undefined
          ? place.shift
          : place.shift === undefined
            ? more
            : pool.binary("+", place.shift, more);
      load = pool.load(sizeBytes, place.networkAt + header + at, base);
    }
    if (load.kind === "load" && load.offset >= OFFSET_LIMIT) {
      throw new FilterError({ column, seen: "the index leads out of every packet" });
    }
    return load;
  }
}
