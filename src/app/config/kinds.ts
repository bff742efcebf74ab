/**
 * The kinds of values a configuration file holds, each read from what YAML gives into the type the services take.
 * Every kind says in its error what it saw and how to write it.
 * @module
 */
import { z } from "zod";
import { type IpAddress, type IpPrefix, ip, prefix } from "#base/ip-address.ts";
import type { Duration } from "#base/time.ts";
import { MATCH_CHARACTERS_MAX } from "#io/queue-rules.ts";
import { DURATION_PATTERN, parseDuration } from "../duration.ts";

/** At most 15 characters: IFNAMSIZ (16) without its zero byte. */
const INTERFACE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;

/** The first and last address of a range; both belong to it, and the first is not behind the last. */
export interface AddressRange {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

interface TextKind<T> {
  /** With its article: `a duration`. */
  readonly name: string;
  readonly examples: readonly string[];
  readonly pattern?: string;
  /** `undefined` or a throw means that the text is not of this kind. */
  readonly read: (text: string) => T | undefined;
}

/** A value as a person would quote it: what YAML made of it, and that it is not text. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object") return "a block of keys";
  return `the ${typeof value} ${String(value)}`;
}

/** A kind written as text; its JSON schema is the pattern. */
function textKind<T>(kind: TextKind<T>): z.ZodType<T> {
  const fix = `write it like ${kind.examples.join(" or ")}`;
  return z
    .unknown()
    .transform((value, context): T => {
      // YAML reads a bare 0 as a number, and no time at all needs no unit.
      const text = value === 0 ? "0" : value;
      const read = typeof text === "string" ? attempt(() => kind.read(text)) : undefined;
      if (read !== undefined) return read;
      const seen = `${describeValue(value)} is not ${kind.name}`;
      context.addIssue({ code: "custom", message: seen, params: { fix } });
      return z.NEVER;
    })
    .meta({
      type: "string",
      examples: [...kind.examples],
      ...(kind.pattern === undefined ? {} : { pattern: kind.pattern }),
    }) as z.ZodType<T>;
}

function attempt<T>(action: () => T | undefined): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

export const duration: z.ZodType<Duration> = textKind({
  name: "a duration",
  examples: ["30s", "10m", "12h"],
  pattern: DURATION_PATTERN,
  read: parseDuration,
});

export const ip4: z.ZodType<IpAddress> = textKind({
  name: "an IPv4 address",
  examples: ["10.77.0.1"],
  read: (text) => {
    const address = ip(text);
    return address.family === 4 ? address : undefined;
  },
});

export const ip6: z.ZodType<IpAddress> = textKind({
  name: "an IPv6 address",
  examples: ["2001:db8::1"],
  read: (text) => {
    const address = ip(text);
    return address.family === 6 ? address : undefined;
  },
});

export const address: z.ZodType<IpAddress> = textKind({
  name: "an IP address",
  examples: ["10.77.0.1", "2001:db8::1"],
  read: ip,
});

export const prefix4: z.ZodType<IpPrefix> = textKind({
  name: "an IPv4 prefix",
  examples: ["10.77.0.0/24"],
  read: (text) => {
    const read = prefix(text);
    return read.address.family === 4 && String(read) === text ? read : undefined;
  },
});

export const anyPrefix: z.ZodType<IpPrefix> = textKind({
  name: "a prefix",
  examples: ["10.77.0.0/24", "2001:db8::/64"],
  read: (text) => {
    const read = prefix(text);
    return String(read) === text ? read : undefined;
  },
});

export const interfaceName: z.ZodType<string> = textKind({
  name: "the name of an interface",
  examples: ["lan0"],
  pattern: INTERFACE_NAME.source,
  read: (text) => (INTERFACE_NAME.test(text) ? text : undefined),
});

/** A name that is also a file name and part of a mailbox address. */
export const name: z.ZodType<string> = textKind({
  name: "a name",
  examples: ["gw"],
  pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$",
  read: (text) => (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(text) ? text : undefined),
});

export const domain: z.ZodType<string> = textKind({
  name: "a domain name",
  examples: ["lab.example"],
  read: (text) =>
    text.length <= 253 &&
    /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text)
      ? text
      : undefined,
});

/** A host name, with a port where it is not 80. */
export const hostName: z.ZodType<string> = textKind({
  name: "a host name",
  examples: ["portal.example"],
  read: (text) => (/^[a-z0-9.-]{1,253}(:\d{1,5})?$/i.test(text) ? text.toLowerCase() : undefined),
});

export const folder: z.ZodType<string> = textKind({
  name: "an absolute path",
  examples: ["/var/lib/metanet"],
  pattern: "^/",
  read: (text) => (text.startsWith("/") && !text.includes("\0") ? text : undefined),
});

export const scriptFile: z.ZodType<string> = textKind({
  name: "the absolute path of a script",
  examples: ["/etc/metanet/scripts/nat.ts"],
  pattern: "^/",
  read: (text) => (text.startsWith("/") && !text.includes("\0") ? text : undefined),
});

export const functionName: z.ZodType<string> = textKind({
  name: "the name of a function",
  examples: ["snat"],
  read: (text) => (/^[\p{ID_Start}$_][\p{ID_Continue}$]{0,127}$/u.test(text) ? text : undefined),
});

/** The name of an interface, or the beginnings of several names with a `*`. */
export const interfacePattern: z.ZodType<string> = textKind({
  name: "the name of an interface",
  examples: ["lan0", '"veth*"'],
  pattern: "^[^\\s/]{1,15}\\*?$",
  read: (text) => (/^[^\s/]{1,15}\*?$/.test(text) ? text : undefined),
});

export const match: z.ZodType<string> = textKind({
  name: "an expression in nft's language",
  examples: ["udp dport 53"],
  read: (text) => (text.length >= 1 && text.length <= MATCH_CHARACTERS_MAX ? text : undefined),
});

export const webAddress: z.ZodType<string> = textKind({
  name: "a web address",
  examples: ["https://www.example.org/"],
  read: (text) => (/^https?:$/.test(new URL(text).protocol) ? text : undefined),
});

export const title: z.ZodType<string> = textKind({
  name: "a text of 1 to 200 characters",
  examples: ['"Library guest network"'],
  read: (text) => (text.length >= 1 && text.length <= 200 ? text : undefined),
});

/** A whole number between two bounds, both allowed. */
export function whole(least: number, most: number): z.ZodType<number> {
  return z
    .unknown()
    .transform((value, context): number => {
      if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most)
        return value;
      const params = { fix: `write a whole number from ${least} to ${most}` };
      context.addIssue({ code: "custom", message: `${describeValue(value)} is not one`, params });
      return z.NEVER;
    })
    .meta({ type: "integer", minimum: least, maximum: most }) as z.ZodType<number>;
}

/** Bands reach this far to both sides of 0. */
const BAND_MAX = 1_000_000;

/** Where a listener stands, or that it stands nowhere. */
export const band: z.ZodType<number | "never"> = z
  .unknown()
  .transform((value, context): number | "never" => {
    if (value === "never") return value;
    if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= BAND_MAX) return value;
    const params = {
      fix: `write a whole number from -${BAND_MAX} to ${BAND_MAX}, lower is asked first, or never`,
    };
    context.addIssue({ code: "custom", message: `${describeValue(value)} is not a band`, params });
    return z.NEVER;
  })
  .meta({
    anyOf: [{ type: "integer", minimum: -BAND_MAX, maximum: BAND_MAX }, { const: "never" }],
  }) as z.ZodType<number | "never">;

/** A user or a group, by name or number; given as text. */
export const account: z.ZodType<string> = z
  .unknown()
  .transform((value, context): string => {
    const text = typeof value === "number" ? String(value) : value;
    if (typeof text === "string" && /^([A-Za-z_][A-Za-z0-9_.-]{0,63}\$?|\d{1,9})$/.test(text)) return text;
    const params = { fix: "write it like alice or 1000" };
    context.addIssue({ code: "custom", message: `${describeValue(value)} is not a user or group`, params });
    return z.NEVER;
  })
  .meta({ type: ["string", "integer"] }) as z.ZodType<string>;

const SIZE_UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** A number of bytes: `500M`, `2G`, in powers of ten as tariffs count. */
export const size: z.ZodType<number> = z
  .unknown()
  .transform((value, context): number => {
    const [, count, unit] = /^(\d{1,9})([kMGT]?)$/.exec(String(value)) ?? [];
    if (count !== undefined && unit !== undefined) return Number(count) * (SIZE_UNITS[unit] ?? 1);
    const params = { fix: "write it like 500M or 2G" };
    context.addIssue({ code: "custom", message: `${describeValue(value)} is not a number of bytes`, params });
    return z.NEVER;
  })
  .meta({ type: ["string", "integer"], pattern: "^\\d{1,9}[kMGT]?$", minimum: 0 }) as z.ZodType<number>;

export const port: z.ZodType<number> = whole(1, 65_535);

export const flag: z.ZodType<boolean> = z
  .unknown()
  .transform((value, context): boolean => {
    if (typeof value === "boolean") return value;
    // YAML 1.1 read these four as booleans, and operators still write them; YAML 1.2 does not.
    const meant = typeof value === "string" && /^(yes|no|on|off)$/i.test(value);
    const fix = meant ? `write ${/^(yes|on)$/i.test(value) ? "true" : "false"}` : "write true or false";
    context.addIssue({
      code: "custom",
      message: `${describeValue(value)} is not true or false`,
      params: { fix },
    });
    return z.NEVER;
  })
  .meta({ type: "boolean" }) as z.ZodType<boolean>;

/** One of a closed list of words. */
export function word<const Words extends readonly [string, ...string[]]>(
  words: Words,
): z.ZodType<Words[number]> {
  return textKind<Words[number]>({
    name: `one of ${words.join(", ")}`,
    examples: words,
    pattern: `^(${words.join("|")})$`,
    read: (text) => words.find((known) => known === text),
  });
}

/** `[FIRST, LAST]`, IPv4. */
export const range4: z.ZodType<AddressRange> = z
  .unknown()
  .transform((value, context): AddressRange => {
    const parts = Array.isArray(value) ? value : [];
    const [first, last] = parts.map((part) =>
      typeof part === "string" ? attempt(() => ip(part)) : undefined,
    );
    const refuse = (seen: string): never => {
      const params = { fix: "write [FIRST, LAST] like [10.77.0.100, 10.77.0.199]" };
      context.addIssue({ code: "custom", message: seen, params });
      return z.NEVER;
    };
    if (parts.length !== 2 || first?.family !== 4 || last?.family !== 4) {
      return refuse(`${describeValue(value)} is not a first and a last IPv4 address`);
    }
    if (first.toUint32() > last.toUint32()) return refuse(`${first} is behind ${last}`);
    return { first, last };
  })
  .meta({
    type: "array",
    items: { type: "string" },
    minItems: 2,
    maxItems: 2,
  }) as unknown as z.ZodType<AddressRange>;
