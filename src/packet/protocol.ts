/**
 * Protocols: what a header looks like, what may carry it, how long it is and which checksum it has, as one
 * declaration. From it comes a class of views whose accessors are generated code, so that a protocol declared in a
 * script is as fast as those of this folder, which are declared the same way.
 * @module
 */
import { compileView } from "./compile-view.ts";
import type { Fields, FieldsOf, InputsOf } from "./field.ts";
import type { Packet } from "./packet.ts";
import { isTunnelStep } from "./tunnel-step.ts";
import { View } from "./view.ts";

/** In place of an EtherType, for `Packet.aim`: an Ethernet header comes first. */
export const ETHERNET_FIRST = -1;

/** The checksum of a header (RFC 1071). */
export interface ChecksumSpec {
  /** Bytes from the start of the header. */
  readonly at: number;
  /** What it is over. */
  readonly covers: "header" | "all";
  /** Zero means that there is none, and a sum of zero is sent as 0xffff (RFC 768). */
  readonly zeroIsNone?: boolean;
  /** Bytes at which a word counts twice, because the pseudo header has it as well (UDP's length). */
  readonly twiceAt?: number;
  /** Whether it is over the pseudo header of IPv4 and of IPv6 too. */
  readonly pseudoHeader?: { readonly 4: boolean; readonly 6: boolean };
  /** For a checksum that is not in every header: whether it is in this one. */
  readonly presentIf?: (header: View) => boolean;
}

/** Which number in the header outside says that this protocol comes next; `"any"` asks `accepts` only. */
export interface CarriedBy {
  readonly [outer: string]: number | readonly number[] | "any";
}

export interface ProtocolSpec<F extends Fields, M> {
  /** Short, lower case: the name in listings and in other protocols' `carriedBy`. */
  readonly name: string;
  readonly fields: F;
  /** Bytes of the header, a number or told by the header; less than the fields need makes it no header. */
  readonly headerBytes?: number | ((header: View & FieldsOf<F>) => number);
  /**
   * Bytes of header and payload as the header tells them; what stands behind is padding. When it tells more than
   * there is, the view ends where the packet does.
   */
  readonly contentBytes?: (header: View & FieldsOf<F>) => number;
  /** The outer protocols by name, each with the number that announces this one. */
  readonly carriedBy?: CarriedBy;
  /** The policy: a last look at the header, with all its fields there, whether it is this protocol at all. */
  readonly accepts?: (header: View & FieldsOf<F>, outer: View) => boolean;
  /** The numbers by which this header announces what it carries; -1 for nothing known. */
  readonly announces?: (header: View & FieldsOf<F>) => number;
  /** A second one, where either of two may announce it (ports). */
  readonly announcesToo?: (header: View & FieldsOf<F>) => number;
  /** Other protocols are looked for behind this one by `find`. */
  readonly isCarrier?: boolean;
  readonly checksum?: ChecksumSpec;
  /** Told of every change of a word of the header, for checksums further in (IP's addresses). */
  readonly wordChanged?: (header: View & FieldsOf<F>, at: number, old: number, now: number) => void;
  /** The field with the bytes of header and payload, or of the payload, that follows when either is resized; 0 stays. */
  readonly lengthIn?: keyof F & string;
  /** The header may be resized, by multiples of this; `sized` then tells its fields. */
  readonly headerUnitBytes?: number;
  /** Told that what it carries became longer or shorter by some bytes: for lengths that `lengthIn` cannot say. */
  readonly resized?: (header: View & FieldsOf<F>, bytes: number) => void;
  /** What a header has that is built without being told otherwise; fields not named here are zero. */
  readonly initial?: InputsOf<F>;
  /** The length fields of a header that is built, of the bytes of the header and of header and payload. */
  readonly sized?: (headerBytes: number, contentBytes: number) => InputsOf<F>;
  /** The field that is set to what announces the payload when a packet is built. */
  readonly announcedIn?: keyof F & string;
  /** Functions and getters of the view, with the view as `this`. */
  readonly methods?: M & ThisType<View & FieldsOf<F> & M>;
}

/** A header to be built: see `build`. */
export interface Header {
  readonly protocol: Protocol;
  readonly values: Readonly<Record<string, unknown>>;
  /** What stands behind the fields and still belongs to the header: options, already encoded. */
  readonly options: Uint8Array | undefined;
}

/** How headers of a protocol are built. */
export interface Building {
  /** Bytes of the header before its options; told by the header where it varies. */
  readonly headerBytes: number | ((header: View) => number);
  /** Has fields whose place or width the header decides. */
  readonly isVariable: boolean;
  readonly initial: Readonly<Record<string, unknown>>;
  readonly sized:
    | ((headerBytes: number, contentBytes: number) => Readonly<Record<string, unknown>>)
    | undefined;
  readonly announcedIn: string | undefined;
  /** The numbers that announce this protocol in a header of the named one; none where nothing does. */
  readonly carriedBy: CarriedBy;
}

/** A protocol, as `payload(protocol)` takes it; `I` is what its headers are built from. */
// biome-ignore lint/suspicious/noExplicitAny: only `header` looks at it, of protocols that are known
export interface Protocol<V extends View = View, I = any> {
  readonly name: string;
  /** Small, one for each protocol of the process. */
  readonly index: number;
  /** Bytes that must be there before anything is asked. */
  readonly minimumBytes: number;
  readonly fields: Fields;
  readonly checksum: ChecksumSpec | undefined;
  /** Has a checksum over its payload. */
  readonly coversPayload: boolean;
  /** Has fields that mean something for a checksum. */
  readonly isChecked: boolean;
  readonly isCarrier: boolean;
  /** Bytes of header and payload as the header tells them. */
  readonly contentBytes: ((view: View) => number) | undefined;
  readonly lengthIn: string | undefined;
  readonly headerUnitBytes: number;
  readonly resized: ((view: View, bytes: number) => void) | undefined;
  /** The numbers by which a header of another protocol announces this one; none where it never does. */
  numbersIn(outer: Protocol): readonly number[] | "any";
  announced(view: View): number;
  announcedToo(view: View): number;
  /** See {@link Aim}. */
  aim(packet: Packet, start: number, end: number, outer: View, isCovered: boolean): V | undefined;
  make(packet: Packet): V;
  /**
   * A header for `build`: `udp.header({ destinationPort: 53 })`. Lengths, checksums and what announces the next
   * header are filled in unless given.
   * @param options bytes behind the fields that still belong to the header
   */
  header(values?: I, options?: Uint8Array): Header;
  readonly building: Building;
}

/** The view of a protocol: `ViewOf<typeof tcp>`. */
export type ViewOf<P> = P extends Protocol<infer V> ? V : never;

const all: Protocol[] = [];
const carrying: Protocol[] = [];

/** Every protocol of this process, in the order of their definition. */
export function protocols(): readonly Protocol[] {
  return all;
}

/** `carriers`: those behind which others are looked for; `outside`: the ones of them that are not in a tunnel. */
export type NextKind = "carriers" | "outside" | "any";

/** By the outer protocol's index; a raw view, which has none, carries nothing that is known. */
const nextTables: Readonly<Record<NextKind, (readonly Protocol[] | undefined)[]>> = {
  carriers: [],
  outside: [],
  any: [],
};

/** Those of a kind that a header of a protocol can announce. */
export function nextProtocols(outer: Protocol, which: NextKind): readonly Protocol[] {
  const table = nextTables[which];
  const { index } = outer;
  if (index < 0) return [];
  const known = index < table.length ? table[index] : undefined;
  if (known !== undefined) return known;
  while (table.length <= index) table.push(undefined);
  const next = (which === "any" ? all : carrying).filter(
    (inner) =>
      inner.numbersIn(outer).length > 0 && (which !== "outside" || !isTunnelStep(outer.name, inner.name)),
  );
  table[index] = next;
  return next;
}

/**
 * Makes a protocol of its declaration.
 * @throws ConfigurationError when the declaration contradicts itself.
 */
export function defineProtocol<const F extends Fields, M = unknown>(
  spec: ProtocolSpec<F, M>,
): Protocol<View & FieldsOf<F> & M, InputsOf<F>> {
  const untyped = spec as unknown as ProtocolSpec<Fields, object>;
  const index = all.length + 1;
  const { minimumBytes, make, aim } = compileView(untyped, index, () => protocol);
  const protocol: Protocol = {
    name: spec.name,
    index,
    minimumBytes,
    fields: spec.fields,
    checksum: spec.checksum,
    coversPayload: spec.checksum?.covers === "all",
    isChecked: spec.checksum !== undefined || spec.wordChanged !== undefined,
    isCarrier: spec.isCarrier ?? false,
    contentBytes: untyped.contentBytes as Protocol["contentBytes"],
    lengthIn: spec.lengthIn,
    headerUnitBytes: spec.headerUnitBytes ?? 0,
    resized: untyped.resized as Protocol["resized"],
    numbersIn: numbersIn(spec.carriedBy ?? {}),
    announced: (untyped.announces as ((view: View) => number) | undefined) ?? (() => -1),
    announcedToo: (untyped.announcesToo as ((view: View) => number) | undefined) ?? (() => -1),
    aim,
    make,
    header: (values: Readonly<Record<string, unknown>> = {}, options) => ({ protocol, values, options }),
    building: {
      headerBytes: (untyped.headerBytes as Building["headerBytes"] | undefined) ?? minimumBytes,
      isVariable: Object.values(untyped.fields).some(
        ({ at, bits }) => typeof at === "function" || typeof bits === "function",
      ),
      initial: untyped.initial ?? {},
      sized: untyped.sized,
      announcedIn: untyped.announcedIn,
      carriedBy: untyped.carriedBy ?? {},
    },
  };
  all.push(protocol);
  // What is known of others may have one more from now on.
  for (const table of Object.values(nextTables)) table.length = 0;
  if (protocol.isCarrier) carrying.push(protocol);
  return protocol as unknown as Protocol<View & FieldsOf<F> & M, InputsOf<F>>;
}

function numbersIn(table: CarriedBy): Protocol["numbersIn"] {
  return ({ name }) => {
    const numbers = Object.hasOwn(table, name) ? table[name] : undefined;
    return typeof numbers === "number" ? [numbers] : (numbers ?? NOT_CARRIED);
  };
}

const NOT_CARRIED: readonly number[] = [];

const NOT_BUILT: Building = {
  headerBytes: 0,
  isVariable: false,
  initial: {},
  sized: undefined,
  announcedIn: undefined,
  carriedBy: {},
};

/** Bytes of which nothing is known: payloads and slices. */
export const rawProtocol: Protocol = {
  name: "bytes",
  index: -1,
  minimumBytes: 0,
  fields: {},
  checksum: undefined,
  coversPayload: false,
  isChecked: false,
  isCarrier: false,
  contentBytes: undefined,
  lengthIn: undefined,
  headerUnitBytes: 1,
  resized: undefined,
  numbersIn: () => NOT_CARRIED,
  announced: () => -1,
  announcedToo: () => -1,
  aim: () => undefined,
  make: (packet) => new View(packet, rawProtocol),
  header: (_values, options) => ({ protocol: rawProtocol, values: {}, options }),
  building: NOT_BUILT,
};

/** The packet itself, as the outermost protocol: it announces the EtherType of its first header. */
export const rootProtocol: Protocol = {
  name: "packet",
  index: 0,
  minimumBytes: 0,
  fields: {},
  checksum: undefined,
  coversPayload: false,
  isChecked: false,
  isCarrier: true,
  contentBytes: undefined,
  lengthIn: undefined,
  headerUnitBytes: 1,
  resized: undefined,
  numbersIn: () => NOT_CARRIED,
  announced: (view) => (view as Packet).$etherType,
  announcedToo: () => -2,
  aim: () => undefined,
  make: (packet) => packet,
  header: (_values, options) => ({ protocol: rootProtocol, values: {}, options }),
  building: NOT_BUILT,
};
