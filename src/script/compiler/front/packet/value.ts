/**
 * Values that scripts give to the packet's functions and fields, brought into the form that is written.
 * @module
 */
import type TypeScript from "typescript";
import { MetanetError } from "#base/errors.ts";
import { ipv4Address, ipv6Address, macAddress } from "#packet/address.ts";
import type { Value } from "../../ir/ir.ts";
import type { Lowered } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import type { FieldModel, ProtocolModel } from "./protocol-model.ts";

/** A whole number, of whatever sign. */
export function wholeNumber(lowering: Lowering, node: TypeScript.Node, value: Lowered, what: string): Value {
  const present = lowering.present(value);
  if (present.kind === "integer" && !present.isBig) return present.value;
  return refuseValue(lowering, node, what, "a whole number");
}

function refuseValue(lowering: Lowering, node: TypeScript.Node, what: string, wanted: string): never {
  return lowering.refuse(node, {
    code: "kernel-argument",
    why: `${what} has to be ${wanted} in the kernel`,
    instead: "make it whole: Math.floor(x)",
  });
}

/** The protocol that was given. */
export function protocolOf(
  lowering: Lowering,
  node: TypeScript.Node,
  value: Lowered | undefined,
): ProtocolModel {
  if (value?.kind === "protocol") return value.model;
  return lowering.refuse(node, {
    code: "kernel-protocol",
    why: "which protocol this means has to be known when the script is compiled",
    instead: "name a protocol of metanet/script, or one that the script defines",
  });
}

/** What is written to a field: 64 bits, or two halves of 128. */
export type Written =
  | { readonly kind: "narrow"; readonly value: Value }
  | { readonly kind: "wide"; readonly high: Value; readonly low: Value };

/** The number that a field is set to, by what the script gives it. */
export function writtenTo(
  lowering: Lowering,
  node: TypeScript.Node,
  field: FieldModel,
  value: Lowered,
): Written {
  const given = lowering.present(value);
  if (given.kind === "text") return ofText(lowering, node, field, given.text);
  const isBig = field.bits > 48 && field.at % 8 === 0 && field.bits % 8 === 0;
  if (field.as === "boolean") {
    if (given.kind === "boolean" || given.kind === "integer") {
      const isSet = given.kind === "boolean" ? given.value : lowering.compare("unequal", given.value, 0);
      return narrow(lowering.select(isSet, lowering.constant(1), lowering.constant(0)));
    }
  } else if (!isBig && given.kind === "integer" && !given.isBig) {
    return narrow(given.value);
  } else if (!isBig && given.kind === "boolean" && field.as === "number") {
    return narrow(lowering.select(given.value, lowering.constant(1), lowering.constant(0)));
  } else if (isBig && given.kind === "wide") {
    return given;
  } else if (isBig && given.kind === "integer" && given.isBig) {
    const [least, none] = [lowering.constant(2n ** 64n - 1n), lowering.constant(0)];
    const high = lowering.select(lowering.compare("less", given.value, 0), least, none);
    return field.bits > 64 ? { kind: "wide", high, low: given.value } : narrow(given.value);
  }
  return refuseValue(lowering, node, `what ${field.name} is set to`, WANTED[field.as]);
}

const WANTED: Readonly<Record<FieldModel["as"], string>> = {
  number: "a whole number, or a bigint where the field has more than 48 bits,",
  boolean: "a boolean",
  bytes: "left as it is",
  address4: "a number, or an address as a constant text,",
  address6: "a bigint, or an address as a constant text,",
  mac: "a number, or an address as a constant text,",
};

function narrow(value: Value): Written {
  return { kind: "narrow", value };
}

function ofText(lowering: Lowering, node: TypeScript.Node, field: FieldModel, text: string): Written {
  try {
    if (field.as === "address4") return narrow(lowering.constant(ipv4Address(text)));
    if (field.as === "mac") return narrow(lowering.constant(macAddress(text)));
    if (field.as === "address6") {
      const address = ipv6Address(text);
      const [high, low] = [lowering.constant(address >> 64n), lowering.constant(BigInt.asUintN(64, address))];
      return { kind: "wide", high, low };
    }
  } catch (error) {
    if (!(error instanceof MetanetError)) throw error;
    return lowering.refuse(node, { code: "kernel-constant", why: error.message, instead: "correct it" });
  }
  return refuseValue(lowering, node, `what ${field.name} is set to`, WANTED[field.as]);
}
