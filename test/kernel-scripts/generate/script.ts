/**
 * A random packet script, and the module that many of them stand in.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import { bigint, wide } from "./bigints.ts";
import { condition } from "./conditions.ts";
import { topFunction } from "./functions.ts";
import { BUILT_IN_MODELS, type DefinedProtocol } from "./headers.ts";
import { number } from "./numbers.ts";
import { block, type Piece, statement, text, textOf } from "./piece.ts";
import { type Abilities, chance, fresh, type MapVariable, pick, type Scope } from "./scope.ts";
import { blockIn, body, declareHeader, returned } from "./statements.ts";
import { inspector } from "./surroundings.ts";
import { writeStatement } from "./writes.ts";

export interface GeneratedScript {
  /** The exported function's. */
  readonly name: string;
  readonly abilities: Abilities;
  /** Helper functions and the function itself. */
  readonly piece: Piece;
}

/** What all scripts of a module can use. */
export interface Surroundings {
  readonly protocols: readonly DefinedProtocol[];
  readonly lists: readonly { readonly name: string; readonly elements: readonly number[] }[];
}

export const LISTS: Surroundings["lists"] = [
  { name: "PORTS", elements: [23, 53, 80, 443] },
  { name: "SIGNED", elements: [-5, 0, 7, 0x7fff_ffff] },
  { name: "ADDRESSES", elements: [0x0a00_0001, 0x0a00_0002] },
];

export function generateScript(
  random: SeededRandom,
  name: string,
  { protocols, lists }: Surroundings,
): GeneratedScript {
  const kind = random.below(5);
  const size = sizeOfScript(random.below(100));
  const abilities = {
    writes: kind >= 2,
    marks: kind >= 3,
    redirects: kind >= 2 && random.below(4) === 0,
    handsOver: kind === 4 && random.below(2) === 0,
  };
  const scope: Scope = {
    random,
    abilities,
    numbers: [],
    booleans: [],
    bigints: [],
    headers: [],
    raws: [],
    maps: [],
    arrays: [],
    bigArrays: [],
    functions: [],
    lists,
    // Walks through headers are most of what compiling costs, and arithmetic needs none.
    models:
      random.below(100) < (abilities.writes ? 60 : 30)
        ? [...BUILT_IN_MODELS, ...protocols.map(({ model }) => model)]
        : [],
    hasPacket: false,
    prefix: name,
    names: { count: 0 },
    packet: { isWritten: false, isCopied: false },
    loopDepth: 0,
    size,
    finds: random.below(100) < (size.depth > 2 ? 8 : 20),
    make: { number, bigint, wide, condition, body, returned },
    result: "verdict",
  };
  const helpers = Array.from({ length: random.below(5) < size.depth - 1 ? 1 + random.below(2) : 0 }, () =>
    topFunction(scope),
  );
  const inner: Scope = { ...scope, hasPacket: true };
  const maps = Array.from({ length: random.below(3) }, () => openMap(inner));
  // Without a header that is there most statements find nothing to look at or to write to.
  const headers = several(inner, 85, () => declareHeader(inner, 1));
  const statements = blockIn(inner, size.depth, size.statements);
  const writes = several(inner, 85, () => writeStatement(inner));
  const then = block([...maps, ...headers, statements, ...writes, returned(inner)]);
  const main = text`export function ${name}(packet: Packet, context: Context) {\n${then}\n}`;
  const inspect = abilities.handsOver ? [inspector(name)] : [];
  return { name, abilities, piece: text`${block([...helpers, ...inspect])}\n${main}\n` };
}

/** Most scripts have one construct or two, so that there can be thousands; some have many, so that they meet. */
function sizeOfScript(chance: number): Scope["size"] {
  if (chance < 84) return { operations: 2, depth: 1, statements: 3 };
  return chance < 98
    ? { operations: 2, depth: 2, statements: 4 }
    : { operations: 3, depth: 3, statements: 6 };
}

/** One or two of them, or none. */
function several(scope: Scope, percent: number, make: () => Piece | undefined): Piece[] {
  const count = chance(scope, percent) ? (chance(scope, 75) ? 1 : 2) : 0;
  return Array.from({ length: count }, make).filter((piece) => piece !== undefined);
}

function openMap(scope: Scope): Piece {
  const name = fresh(scope, "m");
  const kind = pick(scope, ["hash", "hash", "hash", "lru", "lru", "array", "array", "prefix"] as const);
  const key = kind === "array" ? "number" : pick(scope, ["number", "number", "bigint"] as const);
  const isExpiring = (kind === "hash" || kind === "lru") && chance(scope, 30);
  const isForAdding = !isExpiring && kind !== "prefix" && chance(scope, 12);
  // The kernel's LRU is not exact, and expired entries take room until they are met: both have plenty.
  const isExact = kind === "array" || kind === "prefix" || (kind === "hash" && !isExpiring);
  const countMax = isExact ? 8 : 4096;
  const options = [
    `kind: "${kind}"`,
    `countMax: ${countMax}`,
    ...(key === "number" ? [] : ['key: "bigint"']),
    ...(isExpiring ? ["timeToLive: seconds(600)"] : []),
    ...(isForAdding ? ["perProcessor: true"] : []),
  ];
  const map: MapVariable = { name, kind, key, countMax, isForAdding };
  scope.maps.push(map);
  return statement`const ${name} = context.map("${scope.prefix}_${name}", { ${options.join(", ")} });`;
}

/** Names that the text of a module takes from `metanet/script`. */
const IMPORTS = [
  ...["accept", "arp", "defineProtocol", "drop", "ethernet", "handOver", "icmp", "icmpv6", "ipv4", "ipv6"],
  ...[
    "mark",
    "proceed",
    "redirect",
    "seconds",
    "tcp",
    "udp",
    "verdict",
    "vlan",
    "type Context",
    "type Packet",
  ],
];

/** The text of a module with some scripts. */
export function moduleText(
  { protocols, lists }: Surroundings,
  scripts: readonly Pick<GeneratedScript, "piece">[],
): string {
  return [
    `import { ${IMPORTS.join(", ")} } from "metanet/script";`,
    "export const options = { tunnels: false };",
    ...protocols.map(({ text: declaration }) => declaration),
    ...lists.map(({ name, elements }) => `const ${name}: readonly number[] = [${elements.join(", ")}];`),
    ...scripts.map(({ piece }) => textOf(piece)),
  ].join("\n");
}
