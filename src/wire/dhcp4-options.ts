/**
 * What the data of DHCPv4 options mean: names, kinds, and their values as tuples of messages hold them
 * (RFC 2132, 3046, 3397, 3442, 8910). An option nobody knows is named `option-N` and is bytes.
 * @module
 */
import { IpAddress, IpPrefix } from "#base/ip-address.ts";
import { decodeUtf8, encodeUtf8 } from "#base/utf8.ts";
import type { Scalar, Value } from "#base/value.ts";

/**
 * How an option's data are laid out. `routes` is a list of prefix and router in turn (RFC 3442); `names` a list
 * of domain names (RFC 3397); `seconds` a 32-bit count that a message holds as milliseconds.
 */
export type Dhcp4OptionKind =
  | "address"
  | "addresses"
  | "text"
  | "uint8"
  | "uint16"
  | "uint32"
  | "seconds"
  | "codes"
  | "routes"
  | "names"
  | "bytes";

export interface Dhcp4OptionSpec {
  readonly code: number;
  /** The tag it has in messages. */
  readonly name: string;
  readonly kind: Dhcp4OptionKind;
}

/** The options' codes by name. */
export const DHCP4_OPTION = {
  "subnet-mask": 1,
  routers: 3,
  "domain-name-servers": 6,
  "host-name": 12,
  "domain-name": 15,
  "interface-mtu": 26,
  "broadcast-address": 28,
  "static-routes": 33,
  "ntp-servers": 42,
  "vendor-options": 43,
  "requested-address": 50,
  "lease-time": 51,
  "option-overload": 52,
  "message-type": 53,
  "server-identifier": 54,
  "parameter-request-list": 55,
  message: 56,
  "maximum-message-size": 57,
  "renewal-time": 58,
  "rebinding-time": 59,
  "vendor-class": 60,
  "client-id": 61,
  "tftp-server-name": 66,
  "boot-file-name": 67,
  "user-class": 77,
  "client-fqdn": 81,
  "relay-agent-information": 82,
  "captive-portal": 114,
  "subnet-selection": 118,
  "domain-search": 119,
  "classless-routes": 121,
  "tftp-server-addresses": 150,
  "proxy-autodiscovery": 252,
} as const;

export type Dhcp4OptionName = keyof typeof DHCP4_OPTION;

const KINDS: { readonly [Name in Dhcp4OptionName]?: Dhcp4OptionKind } = {
  "subnet-mask": "address",
  routers: "addresses",
  "domain-name-servers": "addresses",
  "host-name": "text",
  "domain-name": "text",
  "interface-mtu": "uint16",
  "broadcast-address": "address",
  "static-routes": "addresses",
  "ntp-servers": "addresses",
  "requested-address": "address",
  "lease-time": "seconds",
  "option-overload": "uint8",
  "message-type": "uint8",
  "server-identifier": "address",
  "parameter-request-list": "codes",
  message: "text",
  "maximum-message-size": "uint16",
  "renewal-time": "seconds",
  "rebinding-time": "seconds",
  "vendor-class": "text",
  "tftp-server-name": "text",
  "boot-file-name": "text",
  "captive-portal": "text",
  "subnet-selection": "address",
  "domain-search": "names",
  "classless-routes": "routes",
  "tftp-server-addresses": "addresses",
  "proxy-autodiscovery": "text",
};

const BY_CODE: (Dhcp4OptionSpec | undefined)[] = new Array(256).fill(undefined);
for (const [name, code] of Object.entries(DHCP4_OPTION)) {
  BY_CODE[code] = { code, name, kind: KINDS[name as Dhcp4OptionName] ?? "bytes" };
}

const UNKNOWN_NAME = /^option-([1-9]\d{0,2})$/;

/** What is known of an option; of an unknown one its number. */
export function specOfCode(code: number): Dhcp4OptionSpec {
  return BY_CODE[code] ?? { code, name: `option-${code}`, kind: "bytes" };
}

/** The option of a tag's name, `option-N` included; `undefined` for a tag that is no option. */
export function specOfName(name: string): Dhcp4OptionSpec | undefined {
  const code = Object.hasOwn(DHCP4_OPTION, name) ? DHCP4_OPTION[name as Dhcp4OptionName] : undefined;
  if (code !== undefined) return BY_CODE[code];
  const number = Number(UNKNOWN_NAME.exec(name)?.[1] ?? 0);
  return number > 0 && number < 255 ? { code: number, name, kind: "bytes" } : undefined;
}

/** The value of an option's data; `undefined` when they are not of the option's kind. */
export function decodeOptionValue(kind: Dhcp4OptionKind, data: Uint8Array): Value | undefined {
  switch (kind) {
    case "address":
      return data.length === 4 ? new IpAddress(data) : undefined;
    case "addresses":
      return decodeAddresses(data);
    case "text":
      return decodeText(data);
    case "uint8":
      return data.length === 1 ? data[0] : undefined;
    case "uint16":
      return data.length === 2 ? uint(data) : undefined;
    case "uint32":
      return data.length === 4 ? uint(data) : undefined;
    case "seconds":
      return data.length === 4 ? uint(data) * 1000 : undefined;
    case "codes":
      return [...data];
    case "routes":
      return decodeRoutes(data);
    case "names":
      return decodeNames(data);
    case "bytes":
      return data;
  }
}

/** The data of a value; `undefined` when the value does not fit the kind. Bytes fit every kind, as they are. */
export function encodeOptionValue(kind: Dhcp4OptionKind, value: Value): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  switch (kind) {
    case "address":
      return value instanceof IpAddress && value.family === 4 ? value.bytes : undefined;
    case "addresses":
      return encodeAddresses(value);
    case "text":
      return typeof value === "string" ? encodeUtf8(value) : undefined;
    case "uint8":
      return encodeUint(value, 1);
    case "uint16":
      return encodeUint(value, 2);
    case "uint32":
      return encodeUint(value, 4);
    case "seconds":
      return typeof value === "number" ? encodeUint(Math.floor(value / 1000), 4) : undefined;
    case "codes":
      return encodeCodes(value);
    case "routes":
      return encodeRoutes(value);
    case "names":
      return encodeNames(value);
    case "bytes":
      return undefined;
  }
}

/** RFC 2132 section 2: texts may end in NUL, which is not part of them. */
function decodeText(data: Uint8Array): string | undefined {
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end--;
  return decodeUtf8(data.subarray(0, end));
}

function uint(data: Uint8Array): number {
  let value = 0;
  for (const byte of data) value = value * 256 + byte;
  return value;
}

function encodeUint(value: Value, lengthBytes: number): Uint8Array | undefined {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= 256 ** lengthBytes) {
    return undefined;
  }
  const data = new Uint8Array(lengthBytes);
  for (let index = lengthBytes - 1, rest = value; index >= 0; index--, rest = Math.floor(rest / 256)) {
    data[index] = rest % 256;
  }
  return data;
}

function decodeAddresses(data: Uint8Array): readonly Scalar[] | undefined {
  if (data.length === 0 || data.length % 4 !== 0) return undefined;
  const addresses: IpAddress[] = [];
  for (let offset = 0; offset < data.length; offset += 4) {
    addresses.push(new IpAddress(data.subarray(offset, offset + 4)));
  }
  return addresses;
}

function encodeAddresses(value: Value): Uint8Array | undefined {
  const list = Array.isArray(value) ? (value as readonly Scalar[]) : [value as Scalar];
  const data = new Uint8Array(list.length * 4);
  for (const [index, address] of list.entries()) {
    if (!(address instanceof IpAddress) || address.family !== 4) return undefined;
    data.set(address.bytes, index * 4);
  }
  return list.length > 0 ? data : undefined;
}

function encodeCodes(value: Value): Uint8Array | undefined {
  if (!Array.isArray(value)) return undefined;
  const isCode = (code: unknown): code is number =>
    Number.isInteger(code) && Number(code) >= 0 && Number(code) < 256;
  return value.every(isCode) ? Uint8Array.from(value as number[]) : undefined;
}

/** RFC 3442: width of the prefix, its significant bytes, the router; repeated. */
function decodeRoutes(data: Uint8Array): readonly Scalar[] | undefined {
  const routes: Scalar[] = [];
  let offset = 0;
  while (offset < data.length) {
    const width = data[offset] as number;
    const significantBytes = Math.ceil(width / 8);
    const routerOffset = offset + 1 + significantBytes;
    if (width > 32 || routerOffset + 4 > data.length) return undefined;
    const target = new Uint8Array(4);
    target.set(data.subarray(offset + 1, routerOffset));
    routes.push(new IpPrefix(new IpAddress(target), width));
    routes.push(new IpAddress(data.subarray(routerOffset, routerOffset + 4)));
    offset = routerOffset + 4;
  }
  return routes.length > 0 ? routes : undefined;
}

function encodeRoutes(value: Value): Uint8Array | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length % 2 !== 0) return undefined;
  const data: number[] = [];
  for (let index = 0; index < value.length; index += 2) {
    const target: unknown = value[index];
    const router: unknown = value[index + 1];
    if (!(target instanceof IpPrefix) || target.address.family !== 4) return undefined;
    if (!(router instanceof IpAddress) || router.family !== 4) return undefined;
    const significantBytes = Math.ceil(target.lengthBits / 8);
    data.push(target.lengthBits, ...target.address.bytes.subarray(0, significantBytes), ...router.bytes);
  }
  return Uint8Array.from(data);
}

const LABEL_BYTES_MAX = 63;
const NAME_BYTES_MAX = 255;
const POINTER = 0xc0;

/** RFC 3397: domain names as in DNS (RFC 1035 section 4.1.4), pointers within the option allowed, backwards only. */
function decodeNames(data: Uint8Array): readonly Scalar[] | undefined {
  const names: string[] = [];
  let offset = 0;
  while (offset < data.length) {
    const read = decodeName(data, offset);
    if (read === undefined) return undefined;
    names.push(read.name);
    offset = read.end;
  }
  return names.length > 0 ? names : undefined;
}

function decodeName(data: Uint8Array, start: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let end: number | undefined;
  let lowest = start;
  let offset = start;
  let lengthBytes = 0;
  for (;;) {
    const length = data[offset];
    if (length === undefined) return undefined;
    if (length === 0) break;
    if (length >= POINTER) {
      const target = ((length & ~POINTER) << 8) | (data[offset + 1] ?? 0xff);
      if (offset + 1 >= data.length || target >= lowest) return undefined;
      end ??= offset + 2;
      lowest = target;
      offset = target;
      continue;
    }
    const label = decodeUtf8(data.subarray(offset + 1, offset + 1 + length));
    lengthBytes += length + 1;
    if (length > LABEL_BYTES_MAX || lengthBytes >= NAME_BYTES_MAX || label === undefined) return undefined;
    if (offset + 1 + length > data.length || label.includes(".")) return undefined;
    labels.push(label);
    offset += 1 + length;
  }
  return labels.length > 0 ? { name: labels.join("."), end: end ?? offset + 1 } : undefined;
}

/** Without pointers, which RFC 3397 allows and does not ask for. */
function encodeNames(value: Value): Uint8Array | undefined {
  const list = Array.isArray(value) ? (value as readonly Scalar[]) : [value as Scalar];
  const data: number[] = [];
  for (const name of list) {
    if (typeof name !== "string") return undefined;
    const labels = name.replace(/\.$/, "").split(".").map(encodeUtf8);
    if (labels.some(({ length }) => length === 0 || length > LABEL_BYTES_MAX)) return undefined;
    if (labels.reduce((sum, { length }) => sum + length + 1, 1) > NAME_BYTES_MAX) return undefined;
    for (const label of labels) data.push(label.length, ...label);
    data.push(0);
  }
  return list.length > 0 ? Uint8Array.from(data) : undefined;
}
