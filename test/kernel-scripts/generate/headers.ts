/**
 * The headers that generated scripts look at: those of the packet layer, and protocols that a script defines.
 * @module
 */
import type { SeededRandom } from "#base/seeded-random.ts";
import { arp } from "#packet/arp.ts";
import { ethernet } from "#packet/ethernet.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4 } from "#packet/ipv4.ts";
import { ipv6 } from "#packet/ipv6.ts";
import type { Protocol } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";

export interface FieldModel {
  readonly name: string;
  readonly bits: number;
  readonly type: "number" | "boolean" | "bigint" | "wide";
  /** Another value makes the packet another one, or is no value of the field's own. */
  readonly isStructure: boolean;
}

export interface HeaderModel {
  /** As the script names it. */
  readonly name: string;
  readonly fields: readonly FieldModel[];
  /** Names of the headers that may carry it; the packet itself is `packet`. */
  readonly inside: readonly string[];
}

/** Fields that say where things are; see also test/packet/random-packet.ts. */
const STRUCTURE = new Set([
  ...["version", "type", "headerWords", "dataOffset", "hardwareBytes", "protocolBytes", "hardwareType"],
  ...["totalLength", "payloadLength", "length", "fragmentOffset", "checksum"],
  ...["nextHeader", "protocol", "protocolType", "moreFragments"],
]);

const BUILT_IN: readonly Protocol[] = [ethernet, vlan, arp, ipv4, ipv6, icmp, icmpv6, tcp, udp];

const INSIDE: Readonly<Record<string, readonly string[]>> = {
  ethernet: ["packet"],
  vlan: ["ethernet", "vlan", "packet"],
  arp: ["ethernet", "vlan"],
  ipv4: ["packet", "packet", "packet", "ethernet", "vlan"],
  ipv6: ["packet", "packet", "packet", "ethernet", "vlan"],
  icmp: ["ipv4"],
  icmpv6: ["ipv6"],
  tcp: ["ipv4", "ipv6"],
  udp: ["ipv4", "ipv6"],
};

function typeOf(bits: number, as: unknown): FieldModel["type"] {
  if (as === "boolean") return "boolean";
  return bits <= 53 ? "number" : bits <= 64 ? "bigint" : "wide";
}

/** All headers of the packet layer that the kernel's scripts are tried on. */
export const BUILT_IN_MODELS: readonly HeaderModel[] = BUILT_IN.map(({ name, fields }) => ({
  name,
  inside: INSIDE[name] ?? [],
  fields: Object.entries(fields).flatMap(([field, { bits, as }]) =>
    typeof bits === "number"
      ? [{ name: field, bits, type: typeOf(bits, as), isStructure: STRUCTURE.has(field) }]
      : [],
  ),
}));

/** A protocol that a script defines: its text, and what is known of it. */
export interface DefinedProtocol {
  readonly model: HeaderModel;
  readonly text: string;
  /** The ports of UDP and TCP that announce it. */
  readonly port: number;
}

/** Ports from this one on carry the protocols that scripts define. */
export const DEFINED_PORT = 5000;
/** Widths whose sum is one unit of whole bytes. */
const UNITS: readonly (readonly number[])[] = [
  [8],
  [4, 4],
  [1, 7],
  [1, 1, 6],
  [3, 5],
  [16],
  [4, 12],
  [1, 2, 13],
  [24],
  [4, 20],
  [32],
  [12, 20],
  [1, 31],
  [48],
  [64],
];

export function defineProtocols(random: SeededRandom, count: number): readonly DefinedProtocol[] {
  return Array.from({ length: count }, (_, index) => defineOne(random, index));
}

function defineOne(random: SeededRandom, index: number): DefinedProtocol {
  const name = `proto${index}`;
  const port = DEFINED_PORT + index;
  // The first byte is the length of what varies, so that headers of every kind can say how long they are.
  const fields: FieldModel[] = [{ name: "size", bits: 8, type: "number", isStructure: true }];
  let at = 8;
  const places = ["size: { at: 0, bits: 8 }"];
  for (let unit = 0; unit < 1 + random.below(4); unit++) {
    for (const bits of UNITS[random.below(UNITS.length)] as readonly number[]) {
      const isBoolean = bits === 1 && random.below(2) === 0;
      const field = `f${fields.length}`;
      places.push(`${field}: { at: ${at}, bits: ${bits}${isBoolean ? ', as: "boolean"' : ""} }`);
      const type = isBoolean ? "boolean" : bits > 53 ? "bigint" : "number";
      fields.push({ name: field, bits, type, isStructure: false });
      at += bits;
    }
  }
  const bytes = at / 8;
  const extras = [
    random.below(2) === 0 ? `headerBytes: (header) => ${bytes} + (header.size & 7)` : "",
    random.below(3) === 0 ? `accepts: (header) => header.size !== ${random.below(8)}` : "",
    random.below(3) === 0 ? `contentBytes: (header) => ${bytes} + 2 * header.size` : "",
  ].filter((extra) => extra !== "");
  const carriedBy = `carriedBy: { udp: ${port}, tcp: [${port}, ${port + 100}] }`;
  const parts = [`name: "${name}"`, `fields: { ${places.join(", ")} }`, carriedBy, ...extras];
  return {
    model: { name, fields, inside: ["udp", "tcp"] },
    text: `const ${name} = defineProtocol({ ${parts.join(", ")} });`,
    port,
  };
}
