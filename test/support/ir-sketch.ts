/**
 * Functions of the intermediate form as the front end makes them, with numbers that are exact in their domain.
 * @module
 */
import type { BinaryOperator, Block, Comparison, Domain, Value } from "#script/compiler/ir/ir.ts";
import { Sketch as WordSketch } from "../kernel-scripts/back/sketch.ts";

/** What tests of the passes before legalisation write with. */
export class Sketch extends WordSketch {
  #current: Block | undefined;

  /** The block that was begun last. */
  get current(): Block {
    if (this.#current === undefined) throw new Error("Cannot tell the block: none was begun");
    return this.#current;
  }

  override begin(block: Block): void {
    super.begin(block);
    this.#current = block;
  }

  exact(operator: BinaryOperator, left: Value, right: Value, domain: Domain = "number"): Value {
    return this.make("binary", "integer", { operator, domain, left, right });
  }

  compareExact(comparison: Comparison, left: Value, right: Value): Value {
    return this.make("compare", "boolean", { comparison, left, right });
  }
}
