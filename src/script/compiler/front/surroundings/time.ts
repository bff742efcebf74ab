/**
 * The clock: whole milliseconds since 1970, the same for the whole way that a packet takes through the function.
 * @module
 */
import type { Value } from "../../ir/ir.ts";
import type { Front } from "../front.ts";

/** Under this the time stands among the variables of a way. */
const NOW: object = Object.freeze({ what: "now" });
const NANOSECONDS = 1_000_000;
/** Milliseconds until the year 2248. */
const TIME_MAX = 2 ** 43;

/** `context.now`. */
export function now(front: Front): Value {
  const known = front.state.variables.get(NOW);
  if (known?.kind === "integer") return known.value;
  const asked = front.builder.value("integer");
  front.emit.append({ op: "ask", result: asked, what: "nanoseconds" });
  const whole = front.binary("divide", asked, NANOSECONDS, "bigint");
  const value = front.emit.assume(whole, 0, TIME_MAX);
  front.state.variables.set(NOW, { kind: "integer", value, isBig: false });
  return value;
}
