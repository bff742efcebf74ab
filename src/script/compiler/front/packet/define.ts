/**
 * Protocols that a script defines: what its declaration says, as far as the kernel's programs can have it.
 * @module
 */
import type TypeScript from "typescript";
import type { CarriedBy } from "#packet/protocol.ts";
import type { Lowered } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import type { FieldModel, ModelFunction, ProtocolModel } from "./protocol-model.ts";
import { builtinProtocol } from "./protocols.ts";

/** Bytes of fields with a fixed place that a header may have: as many as one check can ask for. */
const HEADER_BYTES_MAX = 256;

/** Codecs of metanet/script, in fields of their own width. */
const CODECS: Readonly<Record<string, { readonly as: FieldModel["as"]; readonly bits: number }>> = {
  "script.ipv4Codec": { as: "address4", bits: 32 },
  "script.ipv6Codec": { as: "address6", bits: 128 },
  "script.macCodec": { as: "mac", bits: 48 },
};

const VARIES = "its place, its width or what it means is told by a function";

/** `defineProtocol({ … })`. */
export function defineModel(lowering: Lowering, node: TypeScript.Node, declaration: Lowered): Lowered {
  return { kind: "protocol", model: new Declaration(lowering, node, declaration).model() };
}

class Declaration {
  readonly #lowering: Lowering;
  readonly #node: TypeScript.Node;
  readonly #parts: ReadonlyMap<string, Lowered>;

  constructor(lowering: Lowering, node: TypeScript.Node, declaration: Lowered) {
    this.#lowering = lowering;
    this.#node = node;
    this.#parts = this.#record(declaration, "the declaration");
  }

  model(): ProtocolModel {
    const name = this.#parts.get("name");
    if (name?.kind !== "text") return this.#refuse("its name is no constant text");
    if (builtinProtocol(name.text) !== undefined)
      return this.#refuse(`metanet/script has a protocol ${name.text}`);
    const refused = new Map<string, string>();
    const fields = this.#fields(refused);
    const ends = [...fields.values()].map(({ at, bits }) => Math.ceil((at + bits) / 8));
    const minimumBytes = Math.max(0, ...ends);
    if (minimumBytes > HEADER_BYTES_MAX) {
      return this.#refuse(`its fields have ${minimumBytes} bytes, at most ${HEADER_BYTES_MAX}`);
    }
    for (const method of this.#record(this.#parts.get("methods"), "methods").keys())
      refused.set(method, "methods of a protocol are there in user space only");
    return {
      name: name.text,
      fields,
      minimumBytes,
      headerBytes: this.#function("headerBytes") ?? { kind: "constant", value: minimumBytes },
      contentBytes: this.#function("contentBytes"),
      accepts: this.#function("accepts"),
      announces: this.#function("announces"),
      announcesToo: this.#function("announcesToo"),
      isCarrier: this.#parts.get("isCarrier")?.kind === "boolean",
      carriedBy: this.#carriedBy(),
      checksum: undefined,
      getters: new Map(),
      refused,
      shaping: new Set(),
      lengthIn: this.#lengthIn(),
      headerUnitBytes: 0,
      fixed: this.#fixed(name.text),
      readOnly: this.#readOnly(name.text),
    };
  }

  #lengthIn(): string | undefined {
    const part = this.#parts.get("lengthIn");
    return part?.kind === "text" ? part.text : undefined;
  }

  #fixed(name: string): string | undefined {
    const strange = ["headerUnitBytes", "resized", "checksum"].find((part) => this.#parts.has(part));
    return strange === undefined ? undefined : `${name} says with ${strange} what is to be done then`;
  }

  #readOnly(name: string): string | undefined {
    const strange = ["checksum", "wordChanged"].find((part) => this.#parts.has(part));
    return strange === undefined ? undefined : `${name} has a ${strange} of its own`;
  }

  #fields(refused: Map<string, string>): ReadonlyMap<string, FieldModel> {
    const fields = new Map<string, FieldModel>();
    let next: number | undefined = 0;
    for (const [name, declared] of this.#record(this.#parts.get("fields"), "fields")) {
      const parts = this.#record(declared, `field ${name}`);
      const given = parts.get("at");
      const at: number | undefined = given === undefined ? next : this.#number(given);
      const bits = this.#number(parts.get("bits"));
      const as = this.#kind(parts.get("as"), bits);
      if (at === undefined || bits === undefined) {
        refused.set(name, VARIES);
        next = undefined;
        continue;
      }
      next = at + bits;
      const field: FieldModel = { name, at, bits, as: as ?? "number" };
      this.#check(field);
      // A codec's field counts for the header's length, and cannot be read.
      if (as === undefined) refused.set(name, VARIES);
      fields.set(name, field);
    }
    return fields;
  }

  /** As `#packet/compile-view.ts` does; the script would not load otherwise. */
  #check({ name, at, bits, as }: FieldModel): void {
    const isWhole = at % 8 === 0 && bits % 8 === 0;
    const isNarrow = as === "bytes" ? isWhole : bits <= 128 && (isWhole || (at % 8) + bits <= 32);
    if (at < 0 || bits < 1 || !isNarrow) this.#refuse(`field ${name} has no place that can be read`);
  }

  #kind(as: Lowered | undefined, bits: number | undefined): FieldModel["as"] | undefined {
    if (as === undefined || as.kind === "undefined") return "number";
    if (as.kind === "text" && (as.text === "boolean" || as.text === "bytes")) return as.text;
    const codec = as.kind === "builtin" ? CODECS[as.name] : undefined;
    return codec?.bits === bits ? codec?.as : undefined;
  }

  #function(name: string): ModelFunction | undefined {
    const part = this.#parts.get(name);
    if (part === undefined || part.kind === "undefined") return undefined;
    const value = this.#number(part);
    if (value !== undefined) return { kind: "constant", value };
    return { kind: "script", lowered: part };
  }

  #carriedBy(): CarriedBy {
    const entries = [...this.#record(this.#parts.get("carriedBy"), "carriedBy")].map(([outer, numbers]) => {
      if (numbers.kind === "text" && numbers.text === "any") return [outer, "any"] as const;
      const list = numbers.kind === "list" ? numbers.elements : [numbers];
      const known = list.map((number) => this.#number(number));
      if (known.includes(undefined)) return this.#refuse(`carriedBy.${outer} is no constant number`);
      return [outer, known as number[]] as const;
    });
    return Object.fromEntries(entries);
  }

  #number(value: Lowered | undefined): number | undefined {
    if (value?.kind !== "integer") return undefined;
    const known = this.#lowering.known(value.value);
    return known === undefined ? undefined : Number(known);
  }

  #record(value: Lowered | undefined, what: string): ReadonlyMap<string, Lowered> {
    if (value === undefined || value.kind === "undefined") return new Map();
    return value.kind === "record" ? value.fields : this.#refuse(`${what} is no object that is written out`);
  }

  #refuse(why: string): never {
    return this.#lowering.refuse(this.#node, {
      code: "kernel-protocol",
      why: `the kernel's programs cannot have this protocol: ${why}`,
      instead: "declare it with constants, or look for it in user space",
    });
  }
}
