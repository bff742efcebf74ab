/**
 * Models of the packet layer's own protocols.
 * @module
 */
import { arp } from "#packet/arp.ts";
import { dhcp } from "#packet/dhcp.ts";
import { dns, dnsLength } from "#packet/dns.ts";
import { ethernet, macCodec } from "#packet/ethernet.ts";
import type { FieldSpec } from "#packet/field.ts";
import { icmp } from "#packet/icmp.ts";
import { icmpv6 } from "#packet/icmpv6.ts";
import { ipv4, ipv4Codec } from "#packet/ipv4.ts";
import { ipv6, ipv6Codec } from "#packet/ipv6.ts";
import type { Protocol } from "#packet/protocol.ts";
import { tcp } from "#packet/tcp.ts";
import { tftp } from "#packet/tftp.ts";
import { clientHello, tls } from "#packet/tls.ts";
import { gre, mpls, pppoe, vxlan } from "#packet/tunnel.ts";
import { udp } from "#packet/udp.ts";
import { vlan } from "#packet/vlan.ts";
import { BUILTINS, type Builtin } from "./builtins.ts";
import type { FieldModel, ProtocolModel } from "./protocol-model.ts";

/** In the order in which they are looked for by `find`, which is that of their definition. */
const PROTOCOLS: readonly Protocol[] = [
  ...[ethernet, ipv4, ipv6, arp, dhcp, dns, dnsLength],
  ...[icmp, icmpv6, tcp, tftp, tls, clientHello, gre, vxlan, mpls, pppoe, udp, vlan],
].toSorted((one, other) => one.index - other.index) as readonly Protocol[];

/** How a field is written, by what it does with numbers. */
const CODECS: ReadonlyMap<unknown, FieldModel["as"]> = new Map<unknown, FieldModel["as"]>([
  [undefined, "number"],
  ["boolean", "boolean"],
  ["bytes", "bytes"],
  [ipv4Codec, "address4"],
  [ipv6Codec, "address6"],
  [macCodec, "mac"],
]);

function fieldModel(name: string, { at, bits, as }: FieldSpec): FieldModel | undefined {
  const codec = CODECS.get(as);
  if (typeof at !== "number" || typeof bits !== "number" || codec === undefined) return undefined;
  return { name, at, bits, as: codec };
}

function modelOf(protocol: Protocol, own: Builtin): ProtocolModel {
  const fields = Object.entries(protocol.fields)
    .map(([name, spec]) => fieldModel(name, spec))
    .filter((field) => field !== undefined);
  return {
    name: protocol.name,
    fields: new Map(fields.map((field) => [field.name, field])),
    minimumBytes: protocol.minimumBytes,
    headerBytes: own.headerBytes ?? { kind: "constant", value: protocol.minimumBytes },
    contentBytes: own.contentBytes,
    accepts: own.accepts,
    announces: own.announces,
    announcesToo: own.announcesToo,
    isCarrier: protocol.isCarrier,
    carriedBy: protocol.building.carriedBy,
    checksum: protocol.checksum,
    getters: new Map(Object.entries(own.getters ?? {})),
    refused: new Map(Object.entries(own.refused ?? {})),
    shaping: new Set(own.shaping ?? []),
    lengthIn: protocol.lengthIn,
    headerUnitBytes: protocol.headerUnitBytes,
    fixed: protocol.resized === undefined ? undefined : `${protocol.name} has its lengths at other places`,
    readOnly: own.readOnly,
  };
}

const MODELS: ReadonlyMap<string, ProtocolModel> = new Map(
  PROTOCOLS.map((protocol) => [protocol.name, modelOf(protocol, BUILTINS[protocol.name] ?? {})]),
);

/** The protocol that `metanet/script` has by this name; `undefined` when the compiler knows none (`http`). */
export function builtinProtocol(name: string): ProtocolModel | undefined {
  return MODELS.get(name);
}

/** Those behind which others are looked for, in the order in which that is done. */
export const CARRIERS: readonly ProtocolModel[] = [...MODELS.values()].filter(({ isCarrier }) => isCarrier);

/** The numbers by which headers of `outer` announce a protocol; none where they never do. */
export function numbersIn({ carriedBy }: ProtocolModel, outer: string): readonly number[] | "any" {
  const numbers = Object.hasOwn(carriedBy, outer) ? carriedBy[outer] : undefined;
  return typeof numbers === "number" ? [numbers] : (numbers ?? []);
}
