/**
 * Generates the class of a protocol's views. Each accessor is a few machine instructions at a constant offset, and
 * each class has code of its own, which a JavaScript engine optimises apart from that of other protocols.
 * @module
 */

import { updateChecksum } from "#base/checksum.ts";
import { ConfigurationError } from "#base/errors.ts";
import { bitReading, bitWriting, reading, writing } from "./compile-bits.ts";
import { checkDeclaration } from "./declaration.ts";
import type { Codec, FieldSpec, Fields } from "./field.ts";
import type { Packet } from "./packet.ts";
import type { Protocol, ProtocolSpec } from "./protocol.ts";
import { defineVariable } from "./variable-field.ts";
import { NESTING_MAX, View } from "./view.ts";

/** Fields a protocol may have. */
export const FIELD_COUNT_MAX = 256;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Aims a view of the protocol at some bytes of a packet; `undefined` when they do not hold its header.
 * @param isCovered a header outside has a checksum over it
 */
export type Aim = (
  packet: Packet,
  start: number,
  end: number,
  outer: View,
  isCovered: boolean,
) => View | undefined;

export interface CompiledView {
  readonly minimumBytes: number;
  readonly make: (packet: Packet) => View;
  readonly aim: Aim;
}

/** A field with a place that is known beforehand. */
interface StaticField {
  readonly name: string;
  readonly at: number;
  readonly bits: number;
  readonly spec: FieldSpec;
}

/** @throws ConfigurationError when the declaration contradicts itself. */
export function compileView(
  spec: ProtocolSpec<Fields, object>,
  index: number,
  protocol: () => Protocol,
): CompiledView {
  const problem = (text: string): ConfigurationError =>
    new ConfigurationError(`Cannot define protocol ${spec.name}: ${text}`);
  const places = placesOf(spec, problem);
  const minimumBytes = Math.max(0, ...places.map(({ at, bits }) => Math.ceil((at + bits) / 8)));
  checkDeclaration(spec, minimumBytes);
  const codecs = new Map<string, Codec<unknown>>();
  const body: string[] = [...payload(spec)];
  for (const place of places) body.push(...accessor(place, { minimumBytes, codecs, problem }));
  if (spec.checksum !== undefined || spec.wordChanged !== undefined) body.push(...changes(spec));
  // The text is made here of checked names and of numbers only; nothing of it comes from a packet or a user's text.
  const source = [
    '"use strict";',
    ...[...codecs.keys()].map((name) => `const codec_${name} = codecs.${name};`),
    "const carried = [];",
    `class Compiled extends View {\n${body.join("\n")}\n}`,
    ...aiming(spec, index, minimumBytes),
    "return { Compiled, aim };",
  ];
  const { Compiled, aim } = build(source.join("\n"), codecs, spec, protocol);
  let next = 0;
  for (const [name, field] of Object.entries(spec.fields)) {
    const place = places.find((one) => one.name === name);
    // Only the first variable field may stand behind another without saying where: placesOf has seen to that.
    if (place === undefined) defineVariable(Compiled.prototype, name, { at: next, ...field });
    else next = place.at + place.bits;
  }
  const methods = Object.getOwnPropertyDescriptors(spec.methods ?? {});
  for (const name of Object.keys(methods)) {
    if (name in View.prototype || name in spec.fields) throw problem(`the name ${name} is taken`);
  }
  Object.defineProperties(Compiled.prototype, methods);
  return { minimumBytes, make: (packet) => new Compiled(packet, protocol()), aim };
}

type ViewClass = new (packet: Packet, protocol: Protocol) => View;

function build(
  source: string,
  codecs: Map<string, Codec<unknown>>,
  spec: ProtocolSpec<Fields, object>,
  protocol: () => Protocol,
): { readonly Compiled: ViewClass; readonly aim: Aim } {
  const given = {
    View,
    updateChecksum,
    codecs: Object.fromEntries(codecs),
    protocol,
    told: spec.wordChanged,
    present: spec.checksum?.presentIf,
    announces: spec.announces,
    announcesToo: spec.announcesToo,
    headerBytes: spec.headerBytes,
    contentBytes: spec.contentBytes,
    accepts: spec.accepts,
    learn,
  };
  const make = new Function(...Object.keys(given), source);
  return make(...Object.values(given)) as { readonly Compiled: ViewClass; readonly aim: Aim };
}

/** Names become arrays by index once: this is asked for every header of every packet. */
function learn(
  carried: (readonly number[] | "any" | undefined)[],
  inner: Protocol,
  outer: Protocol,
): readonly number[] | "any" {
  while (carried.length <= inner.index) carried.push(undefined);
  const numbers = inner.numbersIn(outer);
  carried[inner.index] = numbers;
  return numbers;
}

/** Every class has this as code of its own, which is optimised for what is behind this one header. */
function payload({ announces, announcesToo, checksum }: ProtocolSpec<Fields, object>): string[] {
  const isAnnounced = (by: string): string =>
    `numbers[0] === ${by} || (numbers.length > 1 && numbers.includes(${by}))`;
  const ways = [announces && "announces(this)", announcesToo && "announcesToo(this)"].filter(
    (way) => way !== undefined,
  );
  const covered = checksum?.covers === "all" ? "true" : "this.$covered";
  return [
    "payload(inner) {",
    "  if (inner === undefined) return this.packet.$raw(this.$start + this.$header, this.$end, this);",
    "  const index = inner.index;",
    "  let numbers = index < carried.length ? carried[index] : undefined;",
    "  if (numbers === undefined) numbers = learn(carried, inner, this.$of);",
    '  if (numbers !== "any") {',
    "    if (numbers.length === 0) return undefined;",
    ...ways.map((way, at) => `    const number${at} = ${way};`),
    `    if (!(${ways.map((_, at) => isAnnounced(`number${at}`)).join(" || ") || "false"})) return undefined;`,
    "  }",
    `  return inner.aim(this.packet, this.$start + this.$header, this.$end, this, ${covered});`,
    "}",
  ];
}

/** The function that aims a view, with the declaration's own functions called from one place only. */
function aiming(spec: ProtocolSpec<Fields, object>, index: number, minimumBytes: number): string[] {
  const { headerBytes = minimumBytes, contentBytes, accepts } = spec;
  const lines = [
    "function aim(packet, start, end, outer, isCovered) {",
    `  if (end - start < ${minimumBytes}) return undefined;`,
    "  const views = packet.$byProtocol;",
    `  while (views.length <= ${index}) views.push(undefined);`,
    `  let view = views[${index}];`,
    `  if (view === undefined) views[${index}] = view = new Compiled(packet, protocol());`,
    "  const generation = packet.$generation;",
    "  for (let depth = 0; view.$generation === generation; depth++) {",
    "    if (view.$start === start && view.$outer === outer) return view;",
    `    if (depth === ${NESTING_MAX}) return undefined;`,
    "    view = view.$chained ??= new Compiled(packet, protocol());",
    "  }",
    "  view.$data = packet.$data;",
    "  view.$start = start;",
    "  view.$end = end;",
    "  view.$outer = outer;",
    "  view.$covered = isCovered;",
  ];
  if (contentBytes !== undefined) {
    lines.push(
      "  const content = contentBytes(view);",
      `  if (!(content >= ${minimumBytes})) return undefined;`,
    );
    lines.push("  if (start + content < end) view.$end = start + content;");
  }
  if (typeof headerBytes === "number") lines.push(`  const header = ${headerBytes};`);
  else
    lines.push(
      "  const header = headerBytes(view);",
      `  if (!(header >= ${minimumBytes})) return undefined;`,
    );
  lines.push("  if (start + header > view.$end) return undefined;", "  view.$header = header;");
  if (accepts !== undefined) lines.push("  if (!accepts(view, outer)) return undefined;");
  lines.push(
    "  view.$generation = generation;",
    "  packet.$aimed[packet.$aimedCount++] = view;",
    "  return view;",
    "}",
  );
  return lines;
}

function placesOf(spec: ProtocolSpec<Fields, object>, problem: (text: string) => Error): StaticField[] {
  const places: StaticField[] = [];
  const entries = Object.entries(spec.fields);
  if (entries.length > FIELD_COUNT_MAX) throw problem(`${entries.length} fields, at most ${FIELD_COUNT_MAX}`);
  let next: number | undefined = 0;
  for (const [name, field] of entries) {
    if (!NAME.test(name) || name === "constructor") throw problem(`'${name}' is no name for a field`);
    if (name in View.prototype || name === "packet") throw problem(`the name ${name} is taken by every view`);
    const { bits } = field;
    const at: FieldSpec["at"] = field.at ?? next;
    if (at === undefined) throw problem(`field ${name} follows one whose place varies; give it an 'at'`);
    if (typeof at === "function" || typeof bits === "function") {
      next = undefined;
      continue;
    }
    if (!Number.isInteger(at) || at < 0 || at > 524_280) throw problem(`field ${name} is at bit ${at}`);
    checkWidth(name, field, at, bits, problem);
    places.push({ name, at, bits, spec: field });
    next = at + bits;
  }
  return places;
}

function checkWidth(
  name: string,
  spec: FieldSpec,
  at: number,
  bits: number,
  problem: (text: string) => Error,
): void {
  if (!Number.isInteger(bits) || bits < 1) throw problem(`field ${name} has ${bits} bits`);
  if (spec.as === "boolean" && bits !== 1)
    throw problem(`field ${name} is boolean and has ${bits} bits, not 1`);
  const isWhole = at % 8 === 0 && bits % 8 === 0;
  if (spec.as === "bytes" && !isWhole) throw problem(`field ${name} has bytes but is not at whole ones`);
  if (spec.as !== "bytes" && bits > 128)
    throw problem(`field ${name} has ${bits} bits; above 128 use as: "bytes"`);
  if (!isWhole && (at % 8) + bits > 32) {
    throw problem(`field ${name} is neither at whole bytes nor within 32 bits of one`);
  }
}

interface Surroundings {
  readonly minimumBytes: number;
  readonly codecs: Map<string, Codec<unknown>>;
  readonly problem: (text: string) => Error;
}

/** The getter and the setter of one field. */
function accessor({ name, at, bits, spec }: StaticField, { minimumBytes, codecs }: Surroundings): string[] {
  const byte = at >> 3;
  const length = Math.ceil((at + bits) / 8) - byte;
  if (spec.as === "bytes") {
    return [
      `get ${name}() { return this.bytes(${byte}, ${length}); }`,
      `set ${name}(value) { this.write(${byte}, value.subarray(0, ${length})); }`,
    ];
  }
  const isWhole = at % 8 === 0 && bits % 8 === 0;
  const shift = length * 8 - (at % 8) - bits;
  const container = isWhole ? length : length === 3 ? 4 : length;
  let read = isWhole ? reading(byte, length) : bitReading(byte, length, shift, bits);
  let value = "value";
  if (spec.as === "boolean") {
    read = `(${read}) !== 0`;
    value = "(value ? 1 : 0)";
  } else if (spec.as !== undefined) {
    codecs.set(name, spec.as as Codec<unknown>);
    read = `codec_${name}.get(${read})`;
    value = `codec_${name}.set(value)`;
  }
  const write = isWhole ? writing(byte, length) : bitWriting(byte, container, length, shift, bits);
  return [
    `get ${name}() { const data = this.$data, at = this.$start; return ${read}; }`,
    `set ${name}(value) {`,
    `  const raw = ${value};`,
    "  this.packet.$touch();",
    "  const data = this.$data, at = this.$start;",
    ...around(byte, length, minimumBytes, write),
    "}",
  ];
}

/** The writing between a look at the words around the field before and after. */
function around(byte: number, length: number, minimumBytes: number, write: readonly string[]): string[] {
  const first = byte & ~1;
  const before: string[] = [];
  const after: string[] = [];
  for (let word = first, index = 0; word < byte + length; word += 2, index++) {
    const read = word + 1 < minimumBytes ? `data.getUint16(at + ${word})` : `this.$word(${word})`;
    before.push(`  const old${index} = ${read};`);
    after.push(`  this.$wordChanged(${word}, old${index}, ${read});`);
  }
  return [...before, ...write.map((line) => `  ${line}`), ...after];
}

/** What a change of a word does to the checksums of this header, of those it carries, and of those around it. */
function changes({ checksum, wordChanged }: ProtocolSpec<Fields, object>): string[] {
  const lines = ["$wordChanged(at, old, now) {", "  if (old === now) return;"];
  if (wordChanged !== undefined) lines.push("  told(this, at, old, now);");
  if (checksum !== undefined) {
    const { at, covers, twiceAt } = checksum;
    const scope = covers === "header" ? ` && at < this.$header` : "";
    lines.push(`  if (at !== ${at}${scope}) {`, "    this.$patch(old, now);");
    if (twiceAt !== undefined) lines.push(`    if (at === ${twiceAt}) this.$patch(old, now);`);
    lines.push("  }");
  }
  lines.push("  if (this.$covered) this.$tellOuter(at, old, now);", "}");
  if (checksum === undefined) return lines;
  const { at, zeroIsNone, presentIf } = checksum;
  lines.push("$patch(old, now) {");
  if (presentIf !== undefined) lines.push("  if (!present(this)) return;");
  lines.push(`  const before = this.$data.getUint16(this.$start + ${at});`);
  if (zeroIsNone) lines.push("  if (before === 0) return;");
  lines.push(`  const after = updateChecksum(before, old, now)${zeroIsNone ? " || 0xffff" : ""};`);
  lines.push(`  this.$data.setUint16(this.$start + ${at}, after);`);
  lines.push(`  if (this.$covered) this.$tellOuter(${at}, before, after);`, "}");
  return lines;
}
