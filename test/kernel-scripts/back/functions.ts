/**
 * Sample functions for tests of the back end.
 * @module
 */
import { type IrFunction, type Value, VerdictCode } from "#script/compiler/ir/ir.ts";
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

/** Gives UDP packets over IPv4 the address and port that the map `table` has for theirs. */
export function translate(): IrFunction {
  const sketch = new Sketch("translate");
  const others = { to: sketch.answering(VerdictCode.continue), with: [] };
  const ethernet = sketch.open(0, 14, others);
  sketch.when(sketch.compare("equal", sketch.load(ethernet, 12, 2), 0x0800), others);
  const ip = sketch.open(14, 20, others);
  const first = sketch.load(ip, 0, 1);
  sketch.when(sketch.compare("equal", sketch.binary("shiftRight", first, 4), 4), others);
  const header = sketch.binary("shiftLeft", sketch.binary("and", first, 15), 2);
  sketch.when(sketch.compare("greaterOrEqual", header, 20), others);
  const fragment = sketch.binary("and", sketch.load(ip, 6, 2), 0x3fff);
  sketch.when(sketch.compare("equal", fragment, 0), others);
  sketch.when(sketch.compare("equal", sketch.load(ip, 9, 1), 17), others);
  const udpAt = sketch.binary("add", header, 14);
  const udp = sketch.open(udpAt, 8, others);
  const inside = sketch.binary(
    "or",
    sketch.binary("shiftLeft", sketch.load(ip, 12, 4), 16),
    sketch.load(udp, 0, 2),
  );
  const key = sketch.slot(8);
  sketch.store(key, 0, 8, inside, "native");
  const value = sketch.make("lookUp", "entry", { map: "table", key });
  sketch.when(sketch.make("isFound", "boolean", { entry: value }), others);
  const nanoseconds = sketch.make("ask", "integer", { what: "nanoseconds" });
  const now = sketch.binary("divide", nanoseconds, 1_000_000);
  sketch.when(sketch.compare("greater", sketch.load(value, 8, 8, "native"), now, true), others);
  sketch.store(value, 8, 8, sketch.binary("add", now, 30 * 60 * 1000), "native");
  const number = sketch.load(value, 0, 8, "native");
  const portBefore = sketch.load(udp, 0, 2, "native");
  sketch.store(udp, 0, 2, number);
  const port = sketch.load(udp, 0, 2, "native");
  const before = sketch.load(ip, 12, 4, "native");
  sketch.store(ip, 12, 4, sketch.binary("shiftRight", number, 16));
  const after = sketch.load(ip, 12, 4, "native");
  const lower = (word: Value): Value => sketch.binary("and", word, 0xffff);
  const upper = (word: Value): Value => sketch.binary("shiftRight", word, 16);
  const olds = [lower(before), upper(before)].map((word) => sketch.binary("xor", word, 0xffff));
  const words = [...olds, lower(after), upper(after)];
  const pseudo = words.reduce((sum, word) => sketch.binary("add", sum, word));
  const old = sketch.binary("xor", sketch.load(ip, 10, 2, "native"), 0xffff);
  let sum = sketch.binary("add", pseudo, old);
  for (let round = 0; round < 2; round++) sum = sketch.binary("add", lower(sum), upper(sum));
  sketch.store(ip, 10, 2, sketch.binary("xor", sum, 0xffff), "native");
  sketch.act("count", { counter: "translated", value: sketch.constant(1) });
  const offset = sketch.binary("add", udpAt, 6);
  sketch.act("patchChecksum", { offset, difference: pseudo, isPseudo: true, zeroIsNone: true });
  const difference = sketch.binary("add", sketch.binary("xor", portBefore, 0xffff), port);
  sketch.act("patchChecksum", { offset, difference, isPseudo: false, zeroIsNone: true });
  sketch.answer(VerdictCode.continue);
  return sketch.finish();
}
