/**
 * Contracts: what a service's mailboxes take and answer, declared once. From a contract come the TypeScript types
 * of its listeners and senders, the checks at the process border, `metanet describe` and the reference pages.
 * @module
 */
import type { IpAddress, IpPrefix } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Timestamp } from "#base/time.ts";
import type { Offer } from "#mailbox/bus.ts";
import type { MailboxKind, MailboxOptions } from "#mailbox/mailbox.ts";
import { checkTags } from "./check.ts";

/** What a tag's value is; the TypeScript type is in {@link Kinds}. */
export interface Kinds {
  text: string;
  uint8: number;
  uint16: number;
  uint32: number;
  uint: number;
  int: number;
  float: number;
  boolean: boolean;
  bytes: Uint8Array;
  mac: MacAddress;
  ip: IpAddress;
  ip4: IpAddress;
  ip6: IpAddress;
  prefix: IpPrefix;
  time: Timestamp;
  /** A length of time in milliseconds. */
  duration: number;
}

export type Kind = keyof Kinds;

/** One tag of a message. */
export interface Tag<Type = unknown, Optional extends boolean = boolean> {
  readonly kind: Kind;
  /** The value is a list of the kind. */
  readonly list: boolean;
  readonly isOptional: Optional;
  /** May stand in the message more than once. */
  readonly isRepeated: boolean;
  /** Not shown to observers and traces. */
  readonly isSecret: boolean;
  /** One line for people, with the unit. */
  readonly says: string;
  /** Only for the compiler: the value's type. */
  readonly type?: Type;
  optional(): Tag<Type, true>;
  repeated(): Tag<Type, Optional>;
  secret(): Tag<Type, Optional>;
}

export type Tags = { readonly [tag: string]: Tag };

/** The fields of a message with these tags. */
export type ShapeOf<Given extends Tags> = {
  [Name in keyof Given as Given[Name] extends Tag<unknown, true> ? never : Name]: TypeOf<Given[Name]>;
} & {
  [Name in keyof Given as Given[Name] extends Tag<unknown, true> ? Name : never]?:
    | TypeOf<Given[Name]>
    | undefined;
};

type TypeOf<Given extends Tag> = NonNullable<Given["type"]>;

/** What a mailbox is for, and what it takes. */
export interface MailboxSpec<Takes extends Tags = Tags, Answers extends Tags = Tags> {
  /** One line of prose. */
  readonly says: string;
  readonly kind: MailboxKind;
  /** Who sends: `anyone`, or the service's own name. */
  readonly sent: string;
  readonly tags: Takes;
  /** For a `call`. */
  readonly answer?: Answers;
  readonly serial?: true | string;
  readonly guarded?: boolean;
}

export interface Contract<Name extends string = string, Specs extends SpecMap = SpecMap> extends Offer {
  readonly name: Name;
  readonly says: string;
  readonly specs: Specs;
}

export type SpecMap = { readonly [path: string]: MailboxSpec };

/** The registry entries of a contract: each mailbox by its path, and with the service's name in front. */
export type RegistryOf<Given extends Contract> = {
  [Path in keyof Given["specs"] & string as Path | `${Given["name"]}:${Path}`]: {
    takes: ShapeOf<Given["specs"][Path]["tags"]>;
    answers: Given["specs"][Path] extends { answer: infer Answers extends Tags } ? ShapeOf<Answers> : object;
  };
};

/** Declares the mailboxes of a service. */
export function contract<const Name extends string, const Specs extends SpecMap>(
  name: Name,
  says: string,
  specs: Specs,
): Contract<Name, Specs> {
  const mailboxes: Record<string, MailboxOptions> = {};
  for (const [path, spec] of Object.entries(specs)) mailboxes[path] = optionsOf(spec);
  return { name, says, specs, mailboxes };
}

function optionsOf(spec: MailboxSpec): MailboxOptions {
  const secret = Object.entries(spec.tags)
    .filter(([, tag]) => tag.isSecret)
    .map(([name]) => name);
  return {
    kind: spec.kind,
    says: spec.says,
    check: (message) => checkTags(message, spec.tags),
    ...(secret.length > 0 ? { secret } : {}),
    ...(spec.serial === undefined ? {} : { serial: spec.serial }),
    ...(spec.guarded === undefined ? {} : { guarded: spec.guarded }),
  };
}

interface Traits {
  readonly kind: Kind;
  readonly list: boolean;
  readonly isOptional: boolean;
  readonly isRepeated: boolean;
  readonly isSecret: boolean;
  readonly says: string;
}

function makeTag<Type, Optional extends boolean>(traits: Traits): Tag<Type, Optional> {
  return {
    ...traits,
    isOptional: traits.isOptional as Optional,
    optional: () => makeTag<Type, true>({ ...traits, isOptional: true }),
    repeated: () => makeTag<Type, Optional>({ ...traits, isRepeated: true }),
    secret: () => makeTag<Type, Optional>({ ...traits, isSecret: true }),
  };
}

type TagMaker<Type> = (says: string) => Tag<Type, false>;

function ofKind<K extends Kind>(kind: K): TagMaker<Kinds[K]> {
  return (says) =>
    makeTag({ kind, list: false, isOptional: false, isRepeated: false, isSecret: false, says });
}

/** The kinds of tags; each takes a line that says what the value is, with its unit. */
export const t: { readonly [K in Kind]: TagMaker<Kinds[K]> } & {
  /** A list of values of one kind. */
  readonly list: <K extends Kind>(kind: K, says: string) => Tag<readonly Kinds[K][], false>;
} = {
  text: ofKind("text"),
  uint8: ofKind("uint8"),
  uint16: ofKind("uint16"),
  uint32: ofKind("uint32"),
  uint: ofKind("uint"),
  int: ofKind("int"),
  float: ofKind("float"),
  boolean: ofKind("boolean"),
  bytes: ofKind("bytes"),
  mac: ofKind("mac"),
  ip: ofKind("ip"),
  ip4: ofKind("ip4"),
  ip6: ofKind("ip6"),
  prefix: ofKind("prefix"),
  time: ofKind("time"),
  duration: ofKind("duration"),
  list: (kind, says) =>
    makeTag({ kind, list: true, isOptional: false, isRepeated: false, isSecret: false, says }),
};
