/**
 * DHCP options in the configuration: by their names, with values as people write them, read into what the server
 * sends (RFC 2132).
 * @module
 */
import { z } from "zod";
import { parseHex } from "#base/hex.ts";
import { ip, prefix } from "#base/ip-address.ts";
import type { Scalar, Value } from "#base/value.ts";
import { type Dhcp4OptionKind, encodeOptionValue, specOfName } from "#wire/dhcp4-options.ts";
import { parseDuration } from "../duration.ts";
import { describeValue } from "./kinds.ts";

/** How each kind of option is written. */
const EXAMPLES: Readonly<Record<Dhcp4OptionKind, string>> = {
  address: "10.77.0.1",
  addresses: "[10.77.0.1, 10.77.0.2]",
  text: '"some text"',
  uint8: "64",
  uint16: "1500",
  uint32: "3600",
  seconds: "30m",
  codes: "[1, 3, 6]",
  routes: "[10.1.0.0/16, 10.77.0.2] (prefix and router in turn)",
  names: "[lab.example, example]",
  bytes: "0x0a1b2c",
};

/** More options of one subnet, by name. */
export const dhcpOptions: z.ZodType<Readonly<Record<string, Value>>> = z
  .record(z.string(), z.unknown())
  .transform((given, context): Record<string, Value> => {
    const read: Record<string, Value> = {};
    const refuse = (name: string, message: string, fix: string): void => {
      context.addIssue({ code: "custom", path: [name], message, params: { fix } });
    };
    for (const [name, value] of Object.entries(given)) {
      const spec = specOfName(name);
      if (!spec) {
        refuse(name, "there is no such option", "use a name of the manual page of dhcpd, or option-N");
        continue;
      }
      const made = readValue(spec.kind, value);
      if (made !== undefined) read[name] = made;
      else refuse(name, `${describeValue(value)} is not its value`, `write it like ${EXAMPLES[spec.kind]}`);
    }
    return read;
  })
  .meta({ type: "object" }) as unknown as z.ZodType<Readonly<Record<string, Value>>>;

/** The value that the server takes; `undefined` when it cannot be sent as an option of this kind. */
function readValue(kind: Dhcp4OptionKind, given: unknown): Value | undefined {
  try {
    const value = toValue(kind, given);
    return value !== undefined && encodeOptionValue(kind, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function toValue(kind: Dhcp4OptionKind, given: unknown): Value | undefined {
  if (typeof given === "string" && /^0x([0-9a-f]{2})+$/i.test(given)) return parseHex(given.slice(2));
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  switch (kind) {
    case "address":
      return ip(String(given));
    case "addresses":
      return list.map((one) => ip(String(one)));
    case "routes":
      return list.map((one, index) => (index % 2 === 0 ? prefix(String(one)) : ip(String(one))));
    case "seconds":
      return typeof given === "number" ? given * 1000 : parseDuration(String(given));
    case "names":
    case "codes":
      return list as readonly Scalar[];
    default:
      return given as Scalar;
  }
}
