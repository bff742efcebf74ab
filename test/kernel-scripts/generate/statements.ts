/**
 * Random statements, in blocks of a few.
 * @module
 */
import { unsigned } from "./bigints.ts";
import { lookUp } from "./fields.ts";
import { numberWithin } from "./fit.ts";
import { functionStatement, RANGES } from "./functions.ts";
import { block, of, type Piece, statement, text } from "./piece.ts";
import { chance, fresh, inside, pick, pickSome, type Scope } from "./scope.ts";
import { counterStatement, mapStatement, observe } from "./state.ts";
import { elsewhere, eventStatement } from "./surroundings.ts";
import { PLAIN, writeStatement } from "./writes.ts";

/** Some statements in a scope of their own; `last` stands behind them. */
export function body(scope: Scope, depth: number, countMax: number, last: readonly Piece[] = []): Piece {
  return blockIn(inside(scope), depth, countMax, last);
}

/** Some statements in a scope that is given, whose variables those behind see. */
export function blockIn(scope: Scope, depth: number, countMax: number, last: readonly Piece[] = []): Piece {
  const made: Piece[] = [];
  const count = 1 + scope.random.below(countMax);
  for (let index = 0; index < count; index++) made.push(one(scope, depth));
  const seen = chance(scope, 80) ? observe(scope) : undefined;
  if (seen !== undefined) made.push(seen);
  return block([...made, ...last]);
}

function one(scope: Scope, depth: number): Piece {
  for (let tries = 0; tries < 6; tries++) {
    const make = pick(scope, depth > 0 ? ALL : SIMPLE);
    const made = make(scope, depth);
    if (made !== undefined) return made;
  }
  return declareNumber(scope);
}

/** The end of a function's way. */
export function returned(scope: Scope): Piece {
  const { result } = scope;
  const other = result === "verdict" && chance(scope, 50) ? elsewhere(scope) : undefined;
  if (other !== undefined) return other;
  if (result !== "verdict") return statement`return ${numberWithin(scope, result.least, result.most, 2)};`;
  if (scope.abilities.marks && chance(scope, 15))
    return statement`return mark(${numberWithin(scope, 0, 2 ** 32 - 1, 2)});`;
  if (chance(scope, 10))
    return statement`return ${scope.make.condition(scope, 1)} ? ${pick(scope, VERDICTS)} : ${pick(scope, VERDICTS)};`;
  return statement`return${pick(scope, ["", ...VERDICTS.map((name) => ` ${name}`)])};`;
}

const VERDICTS = ["drop", "accept", "proceed", "verdict.continue", "verdict.drop", "verdict.accept"];

/** Leaves the function, or the loop around. */
function leave(scope: Scope): Piece {
  if (scope.loopDepth > 0 && chance(scope, 50)) return statement`${pick(scope, ["break", "continue"])};`;
  return returned(scope);
}

type MakeStatement = (scope: Scope, depth: number) => Piece | undefined;

function declareNumber(scope: Scope): Piece {
  const name = fresh(scope, "n");
  if (chance(scope, 50)) {
    const value = scope.make.number(scope, 3);
    scope.numbers.push({ name, least: value.least, most: value.most, isAssignable: false });
    return statement`const ${name}: number = ${value};`;
  }
  const { least, most } = pick(scope, RANGES);
  const value = numberWithin(scope, least, most, 2);
  scope.numbers.push({ name, least, most, isAssignable: true });
  return statement`let ${name}: number = ${value};`;
}

const assignNumber: MakeStatement = (scope) => {
  const target = pickSome(
    scope,
    scope.numbers.filter(({ isAssignable }) => isAssignable),
  );
  if (target === undefined) return undefined;
  const { name, least, most } = target;
  if (most <= 255 && chance(scope, 30)) return statement`${name} = (${name} + 1) & 255;`;
  if (least < 0 && chance(scope, 40))
    return statement`${name} ${pick(scope, ["&=", "|=", "^=", "<<=", ">>="])} ${scope.make.number(scope, 2)};`;
  if (most === 2 ** 32 - 1 && chance(scope, 20))
    return statement`${name} >>>= ${scope.make.number(scope, 1)};`;
  return statement`${name} = ${numberWithin(scope, least, most, 3)};`;
};

const declareBoolean: MakeStatement = (scope) => {
  const name = fresh(scope, "b");
  const isAssignable = chance(scope, 40);
  const made = statement`${isAssignable ? "let" : "const"} ${name}: boolean = ${scope.make.condition(scope, 2)};`;
  scope.booleans.push({ name, isAssignable });
  return made;
};

const assignBoolean: MakeStatement = (scope) => {
  const target = pickSome(
    scope,
    scope.booleans.filter(({ isAssignable }) => isAssignable),
  );
  return target && statement`${target.name} = ${scope.make.condition(scope, 2)};`;
};

const declareBigint: MakeStatement = (scope) => {
  const name = fresh(scope, "g");
  const value = unsigned(scope, 2);
  const isAssignable = chance(scope, 40);
  scope.bigints.push({ name, least: 0n, most: 2n ** 64n - 1n, isAssignable });
  return statement`${isAssignable ? "let" : "const"} ${name}: bigint = ${value};`;
};

const assignBigint: MakeStatement = (scope) => {
  const target = pickSome(
    scope,
    scope.bigints.filter(({ isAssignable }) => isAssignable),
  );
  return target && statement`${target.name} = ${unsigned(scope, 2)};`;
};

/** `const t = ip.payload(tcp);`, mostly with a way out for packets without it. */
export const declareHeader: MakeStatement = (scope) => {
  const found = lookUp(scope);
  if (found === undefined) return undefined;
  const name = fresh(scope, "h");
  const look = text`const ${name} = ${found.piece};`;
  const isChecked = chance(scope, 60);
  const way = isChecked ? text` if (${name} === undefined) ${leave(scope)}` : text``;
  scope.headers.push({ name, model: found.model, isOptional: !isChecked });
  return statement`${look}${way}`;
};

/** Bytes behind a header. */
const declareRaw: MakeStatement = (scope) => {
  const header = pickSome(
    scope,
    scope.headers.filter(({ isOptional }) => !isOptional),
  );
  if (header === undefined) return undefined;
  const name = fresh(scope, "r");
  scope.raws.push({ name, isPlain: PLAIN.has(header.model.name) });
  return statement`const ${name} = ${header.name}.payload();`;
};

const ARRAYS = [
  { type: "Uint8Array", least: 0, most: 255 },
  { type: "Uint16Array", least: 0, most: 65_535 },
  { type: "Uint32Array", least: 0, most: 2 ** 32 - 1 },
  { type: "Int32Array", least: -(2 ** 31), most: 2 ** 31 - 1 },
  { type: "Int8Array", least: -128, most: 127 },
  { type: "Int16Array", least: -32_768, most: 32_767 },
] as const;

const declareArray: MakeStatement = (scope) => {
  if (chance(scope, 25)) return declareBigArray(scope);
  const { type, least, most } = pick(scope, ARRAYS);
  const name = fresh(scope, "a");
  const count = 2 ** (1 + scope.random.below(3));
  scope.arrays.push({ name, count, least, most });
  return statement`const ${name} = new ${type}(${count});`;
};

function declareBigArray(scope: Scope): Piece {
  const name = fresh(scope, "a");
  const isSigned = chance(scope, 50);
  const count = 2 ** (1 + scope.random.below(2));
  scope.bigArrays.push({ name, count, isSigned });
  const type = isSigned ? "BigInt64Array" : "BigUint64Array";
  return statement`const ${name} = new ${type}(${count});`;
}

const assignBigElement: MakeStatement = (scope) => {
  const array = pickSome(scope, scope.bigArrays);
  if (array === undefined) return undefined;
  const index = numberWithin(scope, 0, array.count - 1, 1);
  return statement`${array.name}[${index}] = ${scope.make.bigint(scope, 2)};`;
};

const assignElement: MakeStatement = (scope) => {
  const array = pickSome(scope, scope.arrays);
  if (array === undefined) return undefined;
  const index = numberWithin(scope, 0, array.count - 1, 1);
  return statement`${array.name}[${index}] = ${scope.make.number(scope, 2)};`;
};

/** A record, whose fields are used like variables. */
const declareRecord: MakeStatement = (scope) => {
  const name = fresh(scope, "o");
  const [first, second] = [scope.make.number(scope, 2), scope.make.number(scope, 2)];
  const third = scope.make.condition(scope, 1);
  const made = statement`const ${name} = { x: ${first}, y: ${second}, z: ${third} };`;
  scope.numbers.push(
    { name: `${name}.x`, least: first.least, most: first.most, isAssignable: false },
    { name: `${name}.y`, least: second.least, most: second.most, isAssignable: false },
  );
  scope.booleans.push({ name: `${name}.z`, isAssignable: false });
  return made;
};

const setMark: MakeStatement = (scope) => {
  if (!scope.abilities.marks || !scope.hasPacket) return undefined;
  return statement`packet.mark = ${numberWithin(scope, 0, 2 ** 32 - 1, 2)};`;
};

const SIMPLE: readonly MakeStatement[] = [
  declareNumber,
  declareNumber,
  assignNumber,
  assignNumber,
  declareBoolean,
  assignBoolean,
  declareBigint,
  assignBigint,
  declareHeader,
  declareHeader,
  declareHeader,
  declareRaw,
  declareArray,
  assignElement,
  assignElement,
  assignBigElement,
  declareRecord,
  eventStatement,
  setMark,
  mapStatement,
  mapStatement,
  mapStatement,
  counterStatement,
  observe,
  observe,
  observe,
  writeStatement,
  writeStatement,
];

const ifStatement: MakeStatement = (scope, depth) => {
  const test = scope.make.condition(scope, 2);
  if (chance(scope, 25)) return statement`if (${test}) ${leave(scope)}`;
  const then = body(scope, depth - 1, 3, chance(scope, 20) ? [leave(scope)] : []);
  if (chance(scope, 50)) return statement`if (${test}) {\n${then}\n}`;
  return statement`if (${test}) {\n${then}\n} else {\n${body(scope, depth - 1, 3)}\n}`;
};

/** What a header has is looked at only where it is there. */
const ifHeader: MakeStatement = (scope, depth) => {
  const header = pickSome(
    scope,
    scope.headers.filter(({ isOptional }) => isOptional),
  );
  if (header === undefined) return undefined;
  const headers = scope.headers.map((one) => (one === header ? { ...one, isOptional: false } : one));
  const then = blockIn(inside(scope, { headers }), depth - 1, 3);
  return statement`if (${header.name} !== undefined) {\n${then}\n}`;
};

const switchStatement: MakeStatement = (scope, depth) => {
  const value = numberWithin(scope, -8, 255, 1);
  const labels = new Set(Array.from({ length: 1 + scope.random.below(4) }, () => scope.random.below(64)));
  const cases = Array.from(labels, (label) => {
    // Some fall through to the next one.
    const end = chance(scope, 80) ? [statement`break;`] : [];
    return statement`case ${label}: {\n${body(scope, depth - 1, 2, end)}\n}`;
  });
  if (chance(scope, 60)) cases.push(statement`default: {\n${body(scope, depth - 1, 2)}\n}`);
  return statement`switch (${value}) {\n${block(cases)}\n}`;
};

const forStatement: MakeStatement = (scope, depth) => {
  if (scope.loopDepth > 1) return undefined;
  const list = pickSome(scope, scope.lists);
  const name = fresh(scope, "i");
  const loopDepth = scope.loopDepth + 1;
  const numbers = (least: number, most: number) => [
    ...scope.numbers,
    { name, least, most, isAssignable: false },
  ];
  if (list !== undefined && chance(scope, 25)) {
    const inner = inside(scope, {
      loopDepth,
      numbers: numbers(Math.min(...list.elements), Math.max(...list.elements)),
    });
    return statement`for (const ${name} of ${list.name}) {\n${blockIn(inner, depth - 1, 2)}\n}`;
  }
  const count = 1 + scope.random.below(8);
  const step = chance(scope, 80) ? 1 : 2;
  const inner = inside(scope, { loopDepth, numbers: numbers(0, count) });
  const then = blockIn(inner, depth - 1, 2);
  if (chance(scope, 15)) return statement`for (let ${name} = ${count}; ${name} > 0; ${name}--) {\n${then}\n}`;
  // The verifier follows a mask, and no remainder.
  const mask = 2 ** Math.floor(Math.log2(count + 1)) - 1;
  const bound = chance(scope, 15) ? text`(${scope.make.number(scope, 1)} & ${mask})` : text`${count}`;
  const by = step === 1 ? "++" : " += 2";
  return statement`for (let ${name} = 0; ${name} < ${bound}; ${name}${by}) {\n${then}\n}`;
};

const blockStatement: MakeStatement = (scope, depth) => of("statement")`{\n${body(scope, depth - 1, 3)}\n}`;

const ALL: readonly MakeStatement[] = [
  ...SIMPLE,
  ...SIMPLE,
  ifStatement,
  ifStatement,
  ifStatement,
  ifStatement,
  ifStatement,
  ifStatement,
  ifHeader,
  ifHeader,
  ifHeader,
  ifHeader,
  switchStatement,
  switchStatement,
  forStatement,
  forStatement,
  forStatement,
  functionStatement,
  functionStatement,
  blockStatement,
];
