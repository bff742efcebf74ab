/**
 * Random changes of the packet: fields, and bytes of headers and payloads.
 * @module
 */
import { unsigned } from "./bigints.ts";
import { literal, numberWithin } from "./fit.ts";
import { type Piece, statement } from "./piece.ts";
import { chance, pick, pickSome, type Scope } from "./scope.ts";

export function writeStatement(scope: Scope): Piece | undefined {
  if (!scope.abilities.writes || !scope.hasPacket) return undefined;
  if (chance(scope, 20)) return writeBytes(scope);
  if (chance(scope, 15)) return clamp(scope);
  const header = pickSome(
    scope,
    scope.headers.filter(({ isOptional }) => !isOptional),
  );
  const field =
    header &&
    pickSome(
      scope,
      header.model.fields.filter(({ isStructure }) => !isStructure),
    );
  if (header === undefined || field === undefined) return undefined;
  const place = `${header.name}.${field.name}`;
  scope.packet.isWritten = true;
  switch (field.type) {
    case "boolean":
      return statement`${place} = ${scope.make.condition(scope, 1)};`;
    case "bigint":
      return statement`${place} = ${unsigned(scope, 2)};`;
    case "wide":
      return statement`${place} = ${scope.make.wide(scope)};`;
    default: {
      if (chance(scope, 15))
        return statement`${place}${pick(scope, ["--", "++", " -= 2", " ^= 1", " += 3"])};`;
      if (field.bits === 32 && /source|destination/.test(place) && chance(scope, 40))
        return statement`${place} = "10.0.0.${scope.random.below(5)}";`;
      const most = 2 ** field.bits - 1;
      const value = chance(scope, 85) ? numberWithin(scope, 0, most, 2) : scope.make.number(scope, 2);
      return statement`${place} = ${value};`;
    }
  }
}

/** The option of TCP that a router on the way makes smaller, where it is there. */
function clamp(scope: Scope): Piece | undefined {
  const header = scope.headers.find(({ model, isOptional }) => model.name === "tcp" && !isOptional);
  if (header === undefined) return undefined;
  const place = `${header.name}.maximumSegmentSize`;
  const most = pick(scope, [536, 1200, 1400]);
  scope.packet.isWritten = true;
  return statement`if ((${place} ?? 0) > ${most}) ${place} = ${most};`;
}

/** Headers whose payload has no checksum of its own. */
export const PLAIN: ReadonlySet<string> = new Set(["tcp", "udp"]);

function writeBytes(scope: Scope): Piece | undefined {
  const header = scope.headers.find(({ model, isOptional }) => !isOptional && PLAIN.has(model.name));
  const raw = pickSome(
    scope,
    scope.raws.filter(({ isPlain }) => isPlain),
  );
  const view = raw?.name ?? (header && `${header.name}.payload()`);
  if (view === undefined) return undefined;
  scope.packet.isWritten = true;
  const bits = pick(scope, [8, 16, 32]);
  const offset = chance(scope, 70) ? literal(scope.random.below(24)) : numberWithin(scope, 0, 255, 1);
  return statement`${view}.setUint${bits}(${offset}, ${numberWithin(scope, 0, 2 ** bits - 1, 2)});`;
}
