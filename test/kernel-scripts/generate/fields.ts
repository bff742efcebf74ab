/**
 * Random looks at the packet: fields of headers that are there, perhaps there, or looked up on the way.
 * @module
 */

import { literal, numberWithin } from "./fit.ts";
import type { FieldModel, HeaderModel } from "./headers.ts";
import { type BigintPiece, bigintIn, type NumberPiece, numberIn, of, type Piece } from "./piece.ts";
import { chance, type HeaderVariable, pick, pickSome, type Scope } from "./scope.ts";

const made: ReturnType<typeof of> = of("boolean");

/** An expression for a header that is there: a field of it follows as `.name`; optional ones need `?.`. */
interface Access {
  readonly piece: Piece;
  readonly model: HeaderModel;
  readonly isOptional: boolean;
}

const HEADER: ReturnType<typeof of> = of("text");

function known(scope: Scope, isOptional: boolean): HeaderVariable | undefined {
  return pickSome(
    scope,
    scope.headers.filter((header) => header.isOptional === isOptional),
  );
}

/** A header by a look-up that may find nothing: `packet.find(tcp)`, `ip.payload(udp)`. */
export function lookUp(scope: Scope, wanted?: HeaderModel): Access | undefined {
  if (!scope.hasPacket || scope.models.length === 0) return undefined;
  const model = wanted ?? someModel(scope);
  if (scope.finds && chance(scope, 55))
    return { piece: HEADER`packet.find(${model.name})`, model, isOptional: true };
  const outer = pick(scope, model.inside);
  if (outer === "packet") return { piece: HEADER`packet.payload(${model.name})`, model, isOptional: true };
  const header = pickSome(
    scope,
    scope.headers.filter((one) => one.model.name === outer),
  );
  if (header !== undefined) {
    const dot = header.isOptional ? "?." : ".";
    const method = chance(scope, 80) ? "payload" : "as";
    return { piece: HEADER`${header.name}${dot}${method}(${model.name})`, model, isOptional: true };
  }
  return { piece: HEADER`${wayTo(scope, outer)}?.payload(${model.name})`, model, isOptional: true };
}

/** The headers on the way to one, from the packet on. */
function wayTo(scope: Scope, name: string): string {
  const model = scope.models.find((one) => one.name === name);
  const outer = model === undefined ? "packet" : pick(scope, model.inside);
  if (scope.finds && chance(scope, 50)) return `packet.find(${name})`;
  if (outer === "packet") return `packet.payload(${name})`;
  return `${wayTo(scope, outer)}?.payload(${name})`;
}

/** What most packets have is looked for most often. */
const LIKELY = ["ipv4", "ipv4", "ipv4", "ipv6", "tcp", "tcp", "udp", "udp"];

export function someModel(scope: Scope): HeaderModel {
  const likely = chance(scope, 70) ? pick(scope, LIKELY) : undefined;
  return scope.models.find(({ name }) => name === likely) ?? pick(scope, scope.models);
}

function access(scope: Scope): Access | undefined {
  const isSure = chance(scope, 65);
  const header = known(scope, !isSure);
  if (header !== undefined)
    return { piece: HEADER`${header.name}`, model: header.model, isOptional: header.isOptional };
  // Every look-up costs the compiler a walk through headers: in most places those that are known are enough.
  return isSure || !chance(scope, 40) ? undefined : lookUp(scope);
}

function fieldOf(scope: Scope, model: HeaderModel, type: FieldModel["type"]): FieldModel | undefined {
  return pickSome(
    scope,
    model.fields.filter(
      (field) => field.type === type && !(scope.packet.isWritten && field.name === "checksum"),
    ),
  );
}

/** A number out of the packet. */
export function numberField(scope: Scope, depth: number): NumberPiece | undefined {
  if (!scope.hasPacket) return undefined;
  if (chance(scope, 25)) return byteNumber(scope, depth);
  const found = access(scope);
  if (found === undefined) return undefined;
  const { piece, model, isOptional } = found;
  if (model.name === "tcp" && chance(scope, 15)) return tcpOption(scope, found);
  const length = chance(scope, 12) ? pick(scope, ["lengthBytes", "headerBytes", "offsetBytes"]) : undefined;
  const field = fieldOf(scope, model, "number");
  if (length === undefined && field === undefined) return undefined;
  const name = length ?? field?.name ?? "";
  const most = length === undefined ? 2 ** (field?.bits ?? 0) - 1 : 65_535;
  if (!isOptional) return numberIn(0, most)`${piece}.${name}`;
  const other = chance(scope, 70)
    ? literal(pick(scope, [0, 1, 255, -1]))
    : numberWithin(scope, 0, most, depth);
  const [least, high] = [Math.min(0, other.least), Math.max(most, other.most)];
  return numberIn(least, high)`(${piece}?.${name} ?? ${other})`;
}

/** What TCP's options say, which are found by walking through them. */
function tcpOption(scope: Scope, { piece, isOptional }: Access): NumberPiece {
  const [name, most] = pick(scope, [
    ["maximumSegmentSize", 65_535],
    ["windowScale", 255],
    ["timestamp", 2 ** 32 - 1],
    ["timestampEcho", 2 ** 32 - 1],
  ] as const);
  return numberIn(0, most)`(${piece}${isOptional ? "?" : ""}.${name} ?? ${pick(scope, [0, 7])})`;
}

/** Bytes of a header or a payload, at an offset that may vary and may be outside. */
function byteNumber(scope: Scope, depth: number): NumberPiece | undefined {
  if (scope.packet.isWritten) return undefined;
  const header = known(scope, false);
  const view = pick(scope, [
    "packet",
    ...scope.raws.map(({ name }) => name),
    ...(header === undefined ? [] : [header.name]),
  ]);
  const bits = pick(scope, [8, 16, 32]);
  const offset = chance(scope, 50) ? literal(scope.random.below(48)) : scope.make.number(scope, depth);
  const other = pick(scope, [0, -1, 77]);
  return numberIn(Math.min(0, other), 2 ** bits - 1)`(${view}.uint${bits}(${offset}) ?? ${other})`;
}

/** A bigint of up to 64 bits out of the packet. */
export function bigintField(scope: Scope): BigintPiece | undefined {
  const found = scope.hasPacket ? access(scope) : undefined;
  const field = found && fieldOf(scope, found.model, "bigint");
  if (found === undefined || field === undefined) return undefined;
  const most = 2n ** BigInt(field.bits) - 1n;
  if (!found.isOptional) return bigintIn(0n, most)`${found.piece}.${field.name}`;
  return bigintIn(0n, most)`(${found.piece}?.${field.name} ?? 3n)`;
}

/** An address of 128 bits of a header that is there. */
export function wideField(scope: Scope): Piece | undefined {
  const header = scope.headers.find(({ model, isOptional }) => model.name === "ipv6" && !isOptional);
  return header && of("wide")`${header.name}.${pick(scope, ["source", "destination"])}`;
}

export function booleanField(scope: Scope): Piece | undefined {
  const found = scope.hasPacket ? access(scope) : undefined;
  const field = found && fieldOf(scope, found.model, "boolean");
  if (found === undefined || field === undefined) return undefined;
  if (!found.isOptional) return made`${found.piece}.${field.name}`;
  return chance(scope, 50)
    ? made`(${found.piece}?.${field.name} === ${pick(scope, ["true", "false"])})`
    : made`(${found.piece}?.${field.name} ?? ${pick(scope, ["true", "false"])})`;
}

/** `packet.find(tcp)?.destinationPort === 23` */
export function optionalComparison(scope: Scope, depth: number): Piece | undefined {
  const found = chance(scope, 50) ? lookUp(scope) : undefined;
  const field = found && fieldOf(scope, found.model, "number");
  if (found === undefined || field === undefined) return undefined;
  const most = 2 ** field.bits - 1;
  const operator = pick(scope, ["===", "!=="]);
  return made`(${found.piece}?.${field.name} ${operator} ${numberWithin(scope, 0, most, depth)})`;
}

/** Whether a header is there. */
export function isThere(scope: Scope): Piece | undefined {
  const header = known(scope, true);
  const operator = pick(scope, ["===", "!=="]);
  if (header !== undefined && chance(scope, 60)) return made`(${header.name} ${operator} undefined)`;
  const found = lookUp(scope);
  return found && made`(${found.piece} ${operator} undefined)`;
}
