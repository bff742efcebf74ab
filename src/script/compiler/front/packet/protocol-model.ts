/**
 * Protocols as the compiler sees them: built-in ones from the packet layer's own declarations, a script's from what it
 * gave `defineProtocol`.
 * @module
 */
import type { CarriedBy, ChecksumSpec } from "#packet/protocol.ts";
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";

/** A field with a fixed place. */
export interface FieldModel {
  readonly name: string;
  /** Bits from the start of the header. */
  readonly at: number;
  /** 1 to 128; more, and whole bytes, for `bytes`. */
  readonly bits: number;
  /** `address4`, `address6` and `mac` are written as text as well. */
  readonly as: "number" | "boolean" | "bytes" | "address4" | "address6" | "mac";
}

/**
 * A function of the declaration, applied to views: a script's own, inlined where it is needed, or what the compiler
 * has for a protocol of the packet layer.
 */
export type ModelFunction =
  | { readonly kind: "script"; readonly lowered: Lowered }
  | { readonly kind: "built"; readonly lower: (lowering: Lowering, view: LoweredView) => Value }
  | { readonly kind: "constant"; readonly value: number };

/** How long a header is; `noted` finds something more, which the view keeps. */
export type HeaderFunction =
  | ModelFunction
  | {
      readonly kind: "noted";
      readonly lower: (
        lowering: Lowering,
        view: LoweredView,
      ) => { readonly header: Value; readonly note: Value };
    };

/** A getter of a view. */
export type ModelMember = (lowering: Lowering, view: LoweredView) => Lowered;

export interface ProtocolModel {
  readonly name: string;
  readonly fields: ReadonlyMap<string, FieldModel>;
  /** Bytes that must be there before anything is asked. */
  readonly minimumBytes: number;
  readonly headerBytes: HeaderFunction;
  readonly contentBytes: ModelFunction | undefined;
  readonly accepts: ModelFunction | undefined;
  readonly announces: ModelFunction | undefined;
  readonly announcesToo: ModelFunction | undefined;
  readonly isCarrier: boolean;
  /** The numbers by which a header of the named protocol announces this one. */
  readonly carriedBy: CarriedBy;
  readonly checksum: ChecksumSpec | undefined;
  /** Getters that the compiler knows; others are refused. */
  readonly getters: ReadonlyMap<string, ModelMember>;
  /** Why members that user space has are refused. */
  readonly refused: ReadonlyMap<string, string>;
  /** Fields that decide where headers begin and end, or what their checksums are over: they are not written to. */
  readonly shaping: Set<string>;
  /** The field with the bytes of header and payload, or of the payload, which follows when they change; 0 stays. */
  readonly lengthIn: string | undefined;
  /** The header may become longer or shorter by multiples of this; 0 where it may not. */
  readonly headerUnitBytes: number;
  /** Why such a header, and what it carries, keeps its length. */
  readonly fixed: string | undefined;
  /** Why nothing is written to such headers; `undefined` where it may be. */
  readonly readOnly: string | undefined;
}
