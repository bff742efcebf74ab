/**
 * Random uses of what a script is given besides the packet and its maps: the time, chance, the bus; and the answers
 * that send a packet elsewhere.
 * @module
 */
import { literal, numberWithin } from "./fit.ts";
import { type NumberPiece, numberIn, of, type Piece, statement } from "./piece.ts";
import { chance, pick, pickSome, type Scope } from "./scope.ts";

const made: ReturnType<typeof of> = of("boolean");
const field: ReturnType<typeof of> = of("text");
/** Milliseconds until the year 2248: more than the clock ever says. */
const TIME_MOST = 2 ** 43;

/** The clock, or what is left of it by a length of time. */
export function timeNumber(scope: Scope): NumberPiece | undefined {
  if (!scope.hasPacket) return undefined;
  const cut = pick(scope, [1000, 60_000, 7]);
  return chance(scope, 50)
    ? numberIn(0, TIME_MOST)`context.now`
    : numberIn(0, cut - 1)`(context.now % ${cut})`;
}

export function chanceNumber(scope: Scope, depth: number): NumberPiece | undefined {
  if (!scope.hasPacket) return undefined;
  const limit = pick(scope, [1, 2, 6, 100, 65_536, 1_000_003, 2 ** 31, 2 ** 32]);
  if (chance(scope, 70)) return numberIn(0, limit - 1)`context.randomInteger(${limit})`;
  return numberIn(0, 255)`context.randomInteger((${numberWithin(scope, 0, 255, depth)} + 1))`;
}

export function chanceCondition(scope: Scope): Piece | undefined {
  if (!scope.hasPacket) return undefined;
  const share = pick(scope, ["0.01", "0.5", "0.25", "0.999", "1 / 3", "0", "1"]);
  return chance(scope, 70)
    ? made`(context.random() ${pick(scope, ["<", "<=", ">", ">="])} ${share})`
    : made`(${share} > context.random())`;
}

/** Tells the bus of some values, of all kinds that the ring takes. */
export function eventStatement(scope: Scope): Piece | undefined {
  if (!scope.hasPacket) return undefined;
  const count = scope.random.below(4);
  const fields = Array.from({ length: count }, (_, index) => eventField(scope, `f${index}`));
  const holes = fields.flatMap((one, index) => (index === 0 ? [one] : [", ", one]));
  const address = `test:/${pick(scope, ["one", "two"])}`;
  const inner: Piece = { kind: "text", parts: holes };
  return statement`context.bus.post("${address}", { ${inner} });`;
}

function eventField(scope: Scope, name: string): Piece {
  switch (scope.random.below(7)) {
    case 0:
      return field`${name}: ${scope.make.bigint(scope, 1)}`;
    case 1:
      return field`${name}: ${scope.make.wide(scope)}`;
    case 2:
      return field`${name}: ${scope.make.condition(scope, 1)}`;
    case 3:
      return field`${name}: ${pick(scope, ['"seen"', "true", "7", "-1"])}`;
    case 4: {
      if (scope.packet.isCopied || scope.loopDepth > 0 || scope.result !== "verdict")
        return field`${name}: 1n`;
      scope.packet.isCopied = true;
      const view = pick(scope, ["packet", ...scope.raws.map(({ name }) => name)]);
      const method = pick(scope, ["bytes", "copy"]);
      const at = chance(scope, 60) ? literal(scope.random.below(64)) : numberWithin(scope, 0, 127, 1);
      return field`${name}: ${view}.${method}(${at}, ${1 + scope.random.below(8)})`;
    }
    default:
      // An element that may be absent is no number by itself, whatever the types say.
      return field`${name}: 0 + ${scope.make.number(scope, 2)}`;
  }
}

/** An answer that sends the packet elsewhere. */
export function elsewhere(scope: Scope): Piece | undefined {
  const ways: Piece[] = [];
  if (scope.abilities.redirects) ways.push(statement`return redirect(packet, context, "lo");`);
  if (scope.abilities.handsOver)
    ways.push(statement`return handOver(packet, context, ${scope.prefix}_inspect);`);
  return pickSome(scope, ways);
}

/** The function in user space that a script hands packets over to. */
export function inspector(name: string): Piece {
  return statement`export function ${name}_inspect(packet: Packet, context: Context) {
context.counter("inspected").add();
return packet.lengthBytes > 60 ? drop : verdict.continue;
}`;
}
