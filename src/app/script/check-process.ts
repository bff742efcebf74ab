/**
 * The process of `script check` in which a script is loaded once.
 * @module
 */
import { type CarriedError, carryError } from "./contained.ts";
import { type InspectedScript, inspectScript } from "./modules.ts";

/** What the process is told. */
export interface CheckOrder {
  readonly file: string;
}

/** What it answers. */
export type CheckAnswer = InspectedScript | { readonly failure: CarriedError };

async function answer({ file }: CheckOrder): Promise<CheckAnswer> {
  try {
    return await inspectScript(file);
  } catch (error) {
    return { failure: carryError(error) };
  }
}

process.once("message", (order: CheckOrder) => {
  // Whoever does not wait for a promise that failed meant it no better than one who throws.
  process.on("unhandledRejection", (error) => process.send?.({ failure: carryError(error) }));
  void answer(order).then((found) => {
    // Timers and sockets of the script would keep the process.
    process.send?.(found, () => process.exit());
  });
});
