/**
 * The operator's word on the order of listeners: a band for a listener of another process, whatever it asked for, or
 * that it is refused. The integrator has the last word, not the loudest program.
 * @module
 */
import { formatIdentity, type Identity } from "./listener.ts";

/** One line of the operator's. */
export interface OrderRule {
  /** The mailbox's path. */
  readonly path: string;
  /** `process/label`, `process/*`, a label in whatever process, or `*` for everybody else. */
  readonly listener: string;
  readonly band: number | "never";
  /** Where the operator wrote it, for people: `gw.yaml:12`. */
  readonly source: string;
}

export class OrderPolicy {
  readonly #rules: ReadonlyMap<string, OrderRule>;

  constructor(rules: readonly OrderRule[] = []) {
    this.#rules = new Map(rules.map((rule) => [keyOf(rule.path, rule.listener), rule]));
  }

  /**
   * The rule for a listener at a path: the first there is for `process/label`, `process/*`, the label, `*`. What is
   * said of a process goes before what is said of a label, because a label is anybody's choice.
   */
  ruleFor(path: string, identity: Identity): OrderRule | undefined {
    const { process, label } = identity;
    for (const listener of [formatIdentity(identity), `${process}/*`, label, "*"]) {
      const rule = this.#rules.get(keyOf(path, listener));
      if (rule) return rule;
    }
    return undefined;
  }
}

/** A rule as the operator finds it again. */
export function formatRule(rule: OrderRule): string {
  return `${rule.source} says ${rule.listener}: ${rule.band}`;
}

function keyOf(path: string, listener: string): string {
  return `${path} ${listener}`;
}
