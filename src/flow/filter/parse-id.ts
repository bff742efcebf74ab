/**
 * One id of a filter with its qualifiers becomes a primitive: addresses, networks, ports, protocol numbers.
 * @module
 */
import { MalformedMessageError } from "#base/errors.ts";
import { ip } from "#base/ip-address.ts";
import type { FilterAddress, FilterPrimitive, FilterProtocol, HostPrimitive } from "./expression.ts";
import { FilterError, suggest } from "./filter-error.ts";
import { ETHER_TYPES, PORT_NAMES, type PortName, PROTOCOL_NUMBERS } from "./names.ts";
import type { Qualifiers } from "./parse-primitive.ts";
import type { Token } from "./token.ts";
import type { TokenReader } from "./token-reader.ts";

/** @throws FilterError */
export function primitiveOf(reader: TokenReader, qualifiers: Qualifiers): FilterPrimitive {
  switch (qualifiers.type) {
    case "port":
    case "portrange":
      return portOf(reader, qualifiers);
    case "proto":
      return numberOf(reader, qualifiers);
    case "host":
    case "net":
      if (reader.token.kind === "mac") return etherHostOf(reader, qualifiers);
      return hostOf(reader, qualifiers, qualifiers.type);
  }
}

function fail(token: Token, seen: string, expected?: string, suggestion?: string): FilterError {
  return new FilterError({ column: token.column, seen, expected, suggestion });
}

function etherHostOf(reader: TokenReader, { protocol, direction, type }: Qualifiers): FilterPrimitive {
  const { token } = reader;
  if (protocol !== "ether" || type !== "host") {
    throw fail(token, `${token.text} is an Ethernet address`, "write ether host in front of it");
  }
  reader.advance();
  const groups = token.text.split(/[-:.]/);
  // Three groups of four digits, or none between the twelve.
  const digits =
    groups.length === 6 ? groups.map((group) => group.padStart(2, "0")).join("") : groups.join("");
  return {
    kind: "ether-host",
    direction: direction ?? "src or dst",
    high: Number.parseInt(digits.slice(0, 4), 16),
    low: Number.parseInt(digits.slice(4), 16),
    column: token.column,
  };
}

function hostOf(
  reader: TokenReader,
  { protocol, direction }: Qualifiers,
  type: "host" | "net",
): FilterPrimitive {
  const { token } = reader;
  const isAddress = token.kind === "dotted" || token.kind === "ipv6" || token.kind === "number";
  if (!isAddress) {
    if (token.kind !== "word" && token.kind !== "escaped")
      throw reader.problem(`expected an address behind ${type}`);
    const seen = `${JSON.stringify(token.text)} is a name, and names are not looked up`;
    throw fail(token, seen, `write the address of the ${type}`);
  }
  const address = token.kind === "ipv6" ? ipv6Of(reader, type) : ipv4Of(reader, type);
  const within = addressProtocol(protocol, address.version, token, type);
  return {
    kind: "host",
    protocol: within,
    direction: direction ?? "src or dst",
    address,
    column: token.column,
  };
}

function addressProtocol(
  protocol: FilterProtocol | undefined,
  version: 4 | 6,
  token: Token,
  type: string,
): HostPrimitive["protocol"] {
  if (protocol === undefined) return "any";
  if (version === 6 && protocol === "ip6") return protocol;
  if (version === 4 && (protocol === "ip" || protocol === "arp" || protocol === "rarp")) return protocol;
  if (protocol === "ether") throw fail(token, `${token.text} is not an Ethernet address`);
  const and = `write ${protocol} and ${type} ${token.text}`;
  throw fail(
    token,
    `${protocol} has no IPv${version} addresses`,
    protocol === "ip" || protocol === "ip6" ? undefined : and,
  );
}

/** Short networks are filled up with zeros behind, short numbers with zeros in front, as libpcap does. */
function ipv4Of(reader: TokenReader, type: "host" | "net"): FilterAddress {
  const { token } = reader;
  reader.advance();
  let value = token.value;
  let bits = 32;
  if (token.kind === "dotted") [value, bits] = dottedOf(token);
  const left = (word: number, by: number): number => (by === 32 ? 0 : (word << by) >>> 0);
  let mask = 0xffffffff;
  if (token.kind === "dotted" && (reader.isSign("/") || reader.isWord("mask"))) {
    if (type !== "net")
      throw fail(reader.token, "a mask makes sense behind net only", `write net ${token.text}`);
    value = left(value, 32 - bits);
    mask = maskOf(reader);
    if ((value & ~mask) !== 0) {
      throw fail(token, `${token.text} has bits that its mask has not`, `write the network's own address`);
    }
  } else if (type === "net") {
    while (value !== 0 && value >>> 24 === 0) {
      value = left(value, 8);
      mask = left(mask, 8);
    }
  } else {
    value = left(value, 32 - bits);
    mask = left(mask, 32 - bits);
  }
  return { version: 4, words: [value], masks: [mask] };
}

/** The number, and how many bits were written. */
function dottedOf(token: Token): [number, number] {
  const parts = token.text.split(".").map(Number);
  let value = 0;
  for (const part of parts) {
    if (part > 255) throw fail(token, `${token.text} is no IPv4 address: ${part} is above 255`);
    value = value * 256 + part;
  }
  return [value, parts.length * 8];
}

function maskOf(reader: TokenReader): number {
  const isLength = reader.isSign("/");
  reader.advance();
  const { token } = reader;
  reader.advance();
  if (isLength) {
    if (token.kind !== "number" || token.value > 32)
      throw fail(token, "the length of an IPv4 mask is 0 to 32");
    return token.value === 0 ? 0 : (0xffffffff << (32 - token.value)) >>> 0;
  }
  if (token.kind !== "dotted") throw fail(token, "a mask is written as an address", "such as 255.255.0.0");
  const [value, bits] = dottedOf(token);
  return (value << (32 - bits)) >>> 0;
}

function ipv6Of(reader: TokenReader, type: "host" | "net"): FilterAddress {
  const { token } = reader;
  reader.advance();
  const words = ipv6Words(token);
  let bits = 128;
  if (reader.isSign("/")) {
    if (type !== "net")
      throw fail(reader.token, "a mask makes sense behind net only", `write net ${token.text}`);
    reader.advance();
    const length = reader.token;
    if (length.kind !== "number" || length.value > 128)
      throw fail(length, "the length of an IPv6 mask is 0 to 128");
    bits = length.value;
    reader.advance();
  }
  const masks = words.map((_, at) => {
    const own = Math.max(0, Math.min(32, bits - 32 * at));
    return own === 0 ? 0 : (0xffffffff << (32 - own)) >>> 0;
  });
  if (words.some((word, at) => (word & ~(masks[at] ?? 0)) !== 0)) {
    throw fail(token, `${token.text} has bits that its mask has not`, "write the network's own address");
  }
  return { version: 6, words, masks };
}

function ipv6Words(token: Token): number[] {
  try {
    const { bytes } = ip(token.text);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return [0, 4, 8, 12].map((at) => view.getUint32(at));
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    throw fail(token, `${token.text} is no IPv6 address`);
  }
}

function portOf(reader: TokenReader, { protocol, direction, type }: Qualifiers): FilterPrimitive {
  const { token } = reader;
  if (protocol !== undefined && protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    throw fail(token, `${protocol} has no ports`, `write ${protocol} and ${type} ${token.text}`);
  }
  if (token.kind !== "number" && token.kind !== "word" && token.kind !== "escaped") {
    throw reader.problem(`expected a ${type === "port" ? "port" : "range of ports such as 6000-6063"}`);
  }
  reader.advance();
  const [first, second] = type === "port" ? [token.text] : splitRange(token.text);
  const low = portNumber(first, token, protocol);
  const high = second === undefined ? low : portNumber(second, token, protocol);
  // A name of one protocol only says which, unless the text does; of a range both must agree.
  const named = low.protocol === high.protocol ? low.protocol : "any";
  return {
    kind: "port",
    protocol: protocol ?? named,
    direction: direction ?? "src or dst",
    low: Math.min(low.port, high.port),
    high: Math.max(low.port, high.port),
    isRange: type === "portrange",
    column: token.column,
  };
}

/** Names have dashes as well: the first dash between two ports that are known. */
function splitRange(text: string): [string, string?] {
  for (let dash = text.indexOf("-"); dash >= 0; dash = text.indexOf("-", dash + 1)) {
    const [first, second] = [text.slice(0, dash), text.slice(dash + 1)];
    if (isPort(first) && isPort(second)) return [first, second];
  }
  return [text];
}

function isPort(text: string): boolean {
  return /^(?:\d+|0[xX][0-9A-Fa-f]+)$/.test(text) || PORT_NAMES.has(text);
}

function portNumber(text: string, token: Token, protocol: FilterProtocol | undefined): PortName {
  const isNumber = text === token.text ? token.kind === "number" : /^(?:\d+|0[xX][0-9A-Fa-f]+)$/.test(text);
  if (isNumber) {
    const port = text === token.text ? token.value : Number(text);
    if (port > 65_535) throw fail(token, `port ${text} is above 65535`);
    return { port, protocol: "any" };
  }
  const named = PORT_NAMES.get(text);
  if (named === undefined) {
    const seen = `${JSON.stringify(text)} is no known name of a port`;
    const range = /^\d+-\d+$/.test(text) ? "write portrange" : "write the number";
    throw fail(token, seen, range, suggest(text, PORT_NAMES.keys()));
  }
  if (named.protocol !== "any" && protocol !== undefined && protocol !== named.protocol) {
    throw fail(token, `${text} is a port of ${named.protocol}, not of ${protocol}`, `write ${named.port}`);
  }
  return named;
}

function numberOf(reader: TokenReader, { protocol }: Qualifiers): FilterPrimitive {
  const { token } = reader;
  if (protocol !== undefined && protocol !== "ether" && protocol !== "ip" && protocol !== "ip6") {
    throw fail(token, `${protocol} proto makes no sense`, "expected proto behind ether, ip, ip6 or nothing");
  }
  const names = protocol === "ether" ? ETHER_TYPES : PROTOCOL_NUMBERS;
  if (token.kind === "word" && reader.isKeyword()) {
    throw fail(token, `${token.text} is a word of its own`, `write \\${token.text}`);
  }
  const number = token.kind === "number" ? token.value : names.get(token.text);
  if (
    number === undefined ||
    (token.kind !== "number" && token.kind !== "word" && token.kind !== "escaped")
  ) {
    const seen = `${JSON.stringify(token.text)} is no known name of a protocol`;
    throw fail(token, seen, "write the number", suggest(token.text, names.keys()));
  }
  reader.advance();
  return { kind: "protocol-number", within: protocol ?? "any", number, column: token.column };
}
