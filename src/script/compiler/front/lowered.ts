/**
 * What the expressions of a script become: values of the intermediate form, or things that exist at compile time only.
 * @module
 */
import type TypeScript from "typescript";
import type { UsedMap } from "../compiled.ts";
import type { Value } from "../ir/ir.ts";
import type { ProtocolModel } from "./packet/protocol-model.ts";

/**
 * The checksum that a header outside has over this one and what is behind it.
 * `none`: there is no such header. `some`: there may be one. `deep`: there are several, or this header has one of its
 * own as well; then nothing is written.
 */
export interface Covering {
  readonly kind: "none" | "some" | "deep";
  /** From the start of the frame; 0 for none. */
  readonly checksumAt: Value;
  /** 1 where 0 there means none. */
  readonly isZeroNone: Value;
  /** 1 where this header begins at an odd place of what the checksum is over. */
  readonly oddness: Value;
}

/**
 * What a view was made from, as far as it has to know when the view becomes longer or shorter. Headers that stand at one
 * place on some ways only, as those of IP, begin at 0 on the others.
 */
export type OuterView =
  /** Bytes, or a header in front of IP's. */
  | { readonly kind: "bytes" }
  | { readonly kind: "ip"; readonly start4: Value; readonly start6: Value }
  | {
      readonly kind: "header";
      readonly protocol: ProtocolModel;
      readonly start: Value;
      readonly end: Value;
    };

/** A header of the packet, or bytes of it, as `View` in user space. */
export interface LoweredView {
  /** `undefined` for bytes without a protocol. */
  readonly protocol: ProtocolModel | undefined;
  /** To the first `checkedBytes` of the header. */
  readonly pointer: Value | undefined;
  readonly checkedBytes: number;
  /** From the start of the frame. */
  readonly start: Value;
  readonly end: Value;
  /** Bytes of the header. */
  readonly header: Value;
  /** What `View.$note` is for IPv6: the number behind the extension headers, -1 when unknown. */
  readonly note: Value | undefined;
  /** What is outside of it and has a checksum over it. */
  readonly covering: Covering;
  /** What it was made from, the outermost first; `undefined` where that is not the same on all ways. */
  readonly outers: readonly OuterView[] | undefined;
  /** `Lowering.age` when it was made: of another age it is void. */
  readonly age: Value;
}

export type Lowered =
  | { readonly kind: "integer"; readonly value: Value; readonly isBig: boolean }
  /** A bigint of up to 128 bits, not negative. */
  | { readonly kind: "wide"; readonly high: Value; readonly low: Value }
  | { readonly kind: "boolean"; readonly value: Value }
  /** A fraction or a number beyond what is exact: good as a part of other constants only. */
  | { readonly kind: "fraction"; readonly value: number }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "undefined" }
  /** `inner` means something where `isThere` is true; elsewhere its values are zeros. */
  | { readonly kind: "optional"; readonly isThere: Value; readonly inner: Lowered }
  /** `mark` is set when `code` is {@link MARK_CODE}. */
  | { readonly kind: "verdict"; readonly code: Value; readonly mark: Value | undefined }
  | { readonly kind: "packet" }
  | { readonly kind: "context" }
  | { readonly kind: "bus" }
  | { readonly kind: "view"; readonly view: LoweredView }
  | { readonly kind: "protocol"; readonly model: ProtocolModel }
  | { readonly kind: "map"; readonly map: UsedMap }
  | { readonly kind: "counter"; readonly name: string }
  /**
   * Fields by name; those of a constant object of the module, or of a literal of the function. What a script assigns
   * to them later stands in the path's state.
   */
  | { readonly kind: "record"; readonly fields: ReadonlyMap<string, Lowered> }
  /** A list whose elements are known one by one: a literal, a constant of the module. */
  | { readonly kind: "list"; readonly elements: readonly Lowered[] }
  /** A typed array on the stack. */
  | {
      readonly kind: "array";
      readonly memory: Value;
      readonly count: number;
      readonly bytes: 1 | 2 | 4 | 8;
      readonly isSigned: boolean;
      readonly isBig: boolean;
    }
  /** Bytes of the packet, as `view.bytes(at, constant)` gives them. */
  | { readonly kind: "bytes"; readonly start: Value; readonly length: Value; readonly view: LoweredView }
  /** A function of the script; `environment` is where its free names are looked up. */
  | {
      readonly kind: "function";
      readonly declaration: TypeScript.SignatureDeclaration;
      readonly environment: unknown;
    }
  /** Something of the language or of metanet/script, by its name: `Math.floor`, `script.drop`, `script.handOver`. */
  | { readonly kind: "builtin"; readonly name: string }
  /** A method of something, on its way to being called: `list.map`. */
  | { readonly kind: "method"; readonly receiver: Lowered; readonly name: string }
  /** One of two that have no form in common (an address of IPv4 or of IPv6); what is done, is done to each. */
  | {
      readonly kind: "choice";
      readonly condition: Value;
      readonly ifTrue: Lowered;
      readonly ifFalse: Lowered;
    }
  /** What a division gives, until it is made whole; `isRandom` for what `context.random()` gives. */
  | {
      readonly kind: "quotient";
      readonly dividend: Value;
      readonly divisor: Value;
      readonly isRandom: boolean;
      readonly node: TypeScript.Node;
    }
  /** A `Map` of constants: keys and what stands there. */
  | { readonly kind: "table"; readonly entries: readonly (readonly [key: Lowered, value: Lowered])[] }
  /** A `Set` of constants. */
  | { readonly kind: "set"; readonly elements: readonly Lowered[] }
  /** Something that has been refused already where it was declared. */
  | { readonly kind: "refused" };

/** The code of a verdict that sets the mark and continues; it becomes two instructions when it is returned. */
export const MARK_CODE = 3;
