/**
 * Sample functions for tests of the back end.
 * @module
 */
import { type IrFunction, VerdictCode } from "../../../src/script/compiler/ir/ir.ts";
import { Sketch } from "./sketch.ts";

/** Drops UDP over IPv4 to a port, and lets all else go on. */
export function dropPort(port: number, start: 0 | 14): IrFunction {
  const sketch = new Sketch("dropPort");
  const others = { to: sketch.answering(VerdictCode.continue), with: [] };
  if (start > 0) {
    const ethernet = sketch.open(0, 14, others);
    sketch.when(sketch.compare("equal", sketch.load(ethernet, 12, 2), 0x0800), others);
  }
  const ip = sketch.open(start, 20, others);
  const first = sketch.load(ip, 0, 1);
  sketch.when(sketch.compare("equal", sketch.binary("shiftRight", first, 4), 4), others);
  sketch.when(sketch.compare("equal", sketch.load(ip, 9, 1), 17), others);
  const words = sketch.binary("and", first, 15);
  const udpAt = sketch.binary("add", sketch.binary("shiftLeft", words, 2), start);
  const udp = sketch.open(udpAt, 8, others);
  sketch.when(sketch.compare("equal", sketch.load(udp, 2, 2), port), others);
  sketch.answer(VerdictCode.drop);
  return sketch.finish();
}
