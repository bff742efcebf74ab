/**
 * What metanet/script exports, as the compiler has it: constants and functions of constants from the packet layer's
 * own modules, so that both engines agree on them.
 * @module
 */
import type TypeScript from "typescript";
import { formatInstant, hours, instant, milliseconds, minutes, seconds } from "#base/time.ts";
import { formatIpv4, formatIpv6, formatMac, ipv4Address, ipv6Address, macAddress } from "#packet/address.ts";
import { ArpOperation } from "#packet/arp.ts";
import { DhcpMessage } from "#packet/dhcp.ts";
import { DnsType } from "#packet/dns.ts";
import { EtherType } from "#packet/ethernet.ts";
import { IcmpType } from "#packet/icmp.ts";
import { Icmpv6Type } from "#packet/icmpv6.ts";
import { IpProtocol, Ipv4Option } from "#packet/ipv4.ts";
import { Ipv6Extension } from "#packet/ipv6-extensions.ts";
import { TcpOption } from "#packet/tcp.ts";
import { TftpOpcode } from "#packet/tftp.ts";
import { TlsExtension } from "#packet/tls.ts";
import { REPEAT_COUNT_MAX } from "../../../verdict.ts";
import { VerdictCode } from "../../ir/ir.ts";
import { lowerConstant } from "../expressions/constants.ts";
import type { Front } from "../front.ts";
import type { Lowered } from "../lowered.ts";

const CONSTANTS: Readonly<Record<string, unknown>> = {
  ArpOperation,
  DhcpMessage,
  DnsType,
  EtherType,
  IcmpType,
  Icmpv6Type,
  IpProtocol,
  Ipv4Option,
  Ipv6Extension,
  REPEAT_COUNT_MAX,
  TcpOption,
  TftpOpcode,
  TlsExtension,
};

/** Functions whose result is known when their arguments are. */
export const CONSTANT_FUNCTIONS: Readonly<Record<string, (argument: never) => unknown>> = {
  formatInstant,
  formatIpv4,
  formatIpv6,
  formatMac,
  hours,
  instant,
  ipv4Address,
  ipv6Address,
  macAddress,
  milliseconds,
  minutes,
  seconds,
};

/** What fields of a script's own protocols are declared with. */
const CODECS: ReadonlySet<string> = new Set(["ipv4Codec", "ipv6Codec", "macCodec"]);

const VERDICTS: Readonly<Record<string, number>> = {
  accept: VerdictCode.accept,
  drop: VerdictCode.drop,
  proceed: VerdictCode.continue,
};

/** Functions that are lowered where they are called, and verdicts that only user space can give. */
const FUNCTIONS: ReadonlySet<string> = new Set([
  ...Object.keys(CONSTANT_FUNCTIONS),
  "after",
  "between",
  "defineProtocol",
  "delayed",
  "handOver",
  "later",
  "mark",
  "queue",
  "redirect",
]);

/** What an export of metanet/script is; `*` is all of them. */
export function scriptExport(front: Front, node: TypeScript.Node, name: string): Lowered {
  if (name === "*") return { kind: "builtin", name: "script" };
  const code = VERDICTS[name];
  if (code !== undefined) return verdict(front, code);
  if (name === "verdict") return verdictNames(front);
  const constant = Object.hasOwn(CONSTANTS, name) ? lowerConstant(front, CONSTANTS[name]) : undefined;
  const found = constant ?? front.parts.packet.protocol(name);
  if (found !== undefined) return found;
  if (FUNCTIONS.has(name) || CODECS.has(name) || name === "repeat")
    return { kind: "builtin", name: `script.${name}` };
  return front.refuse(node, {
    code: "kernel-export",
    why: `${name} is there in user space only`,
    instead:
      "run the script in user space, or hand those packets over: return handOver(packet, context, inspect)",
  });
}

/** A verdict that is known. */
export function verdict(front: Front, code: number): Lowered {
  return { kind: "verdict", code: front.constant(code), mark: undefined };
}

function verdictNames(front: Front): Lowered {
  const named = Object.entries({ ...VERDICTS, continue: VerdictCode.continue }).filter(
    ([name]) => name !== "proceed",
  );
  const functions = ["repeat", "queue", "mark", "later", "delayed"];
  const fields: [string, Lowered][] = [
    ...named.map(([name, code]): [string, Lowered] => [name, verdict(front, code)]),
    ...functions.map((name): [string, Lowered] => [name, { kind: "builtin", name: `script.${name}` }]),
  ];
  return { kind: "record", fields: new Map(fields) };
}
