/**
 * TLS records (RFC 8446 §5.1) and the ClientHello (§4.1.2): whom a client wants to talk to, as far as one segment
 * tells. A hello that goes on in another record or segment is incomplete; what is there of it can be read.
 * @module
 */
import { defineProtocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** Extensions of a hello as IANA lists them. */
export const TlsExtension = {
  serverName: 0,
  supportedGroups: 10,
  applicationProtocols: 16,
  supportedVersions: 43,
  encryptedClientHello: 0xfe0d,
} as const;

/** Extensions that are looked at in one hello. */
export const TLS_EXTENSION_COUNT_MAX = 256;

/** Whether all of a hello is in this record and segment; a malformed one has lengths that contradict each other. */
export type HelloState = "complete" | "incomplete" | "malformed";

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** Type and length, then version and random value, then the length of the session's identifier. */
const SESSION_AT = 4 + 2 + 32;

/** One record of TLS; other ports than 443: `tcp.as(tls)`. */
export const tls = defineProtocol({
  name: "tls",
  fields: {
    /** 22 is a handshake. */
    type: { at: 0, bits: 8 },
    /** 0x0301 to 0x0303, whatever is spoken. */
    version: { at: 8, bits: 16 },
    length: { at: 24, bits: 16 },
  },
  carriedBy: { tcp: 443 },
  contentBytes: ({ length }) => 5 + length,
  accepts: ({ type, version }) => type >= 20 && type <= 24 && version >> 8 === 3,
  announces: ({ type }) => type,
  announcedIn: "type",
  initial: { version: 0x0301 },
  sized: (_headerBytes, contentBytes) => ({ length: contentBytes - 5 }),
  lengthIn: "length",
  isCarrier: true,
});

export const clientHello = defineProtocol({
  name: "clientHello",
  fields: {
    handshakeType: { at: 0, bits: 8 },
    /** Bytes behind this field. */
    length: { at: 8, bits: 24 },
  },
  carriedBy: { tls: HANDSHAKE },
  contentBytes: ({ length }) => 4 + length,
  lengthIn: "length",
  accepts: ({ handshakeType }) => handshakeType === CLIENT_HELLO,
  methods: {
    get state(): HelloState {
      const isHere = this.lengthBytes >= 4 + this.length;
      const end = walk(this, -1, isHere);
      if (end === undefined) return isHere ? "malformed" : "incomplete";
      return end === "broken" ? "malformed" : isHere ? "complete" : "incomplete";
    },
    /** The name of the server that is wanted (RFC 6066 §3), as it stands there; `undefined` without one. */
    get serverName(): string | undefined {
      return nameOf(this.extension(TlsExtension.serverName))?.text();
    },
    /** The same in place. */
    get serverNameView(): View | undefined {
      return nameOf(this.extension(TlsExtension.serverName));
    },
    /** The protocols that are offered (RFC 7301): `h2`, `http/1.1`. */
    get applicationProtocols(): string[] {
      const data = this.extension(TlsExtension.applicationProtocols);
      const names: string[] = [];
      const end = Math.min(data?.lengthBytes ?? 0, 2 + (data?.uint16(0) ?? 0));
      for (let at = 2; data !== undefined && at < end; ) {
        const bytes = data.uint8(at) ?? 0;
        if (bytes === 0 || at + 1 + bytes > end) break;
        names.push(data.text(at + 1, bytes));
        at += 1 + bytes;
      }
      return names;
    },
    /** The versions that are offered, 0x0304 is TLS 1.3; before that the hello's own. */
    get versions(): number[] {
      const data = this.extension(TlsExtension.supportedVersions);
      if (data === undefined) {
        const own = this.uint16(4);
        return own === undefined ? [] : [own];
      }
      return numbers(data, 1, data.uint8(0) ?? 0);
    },
    /** The cipher suites that are offered. */
    get cipherSuites(): number[] {
      const at = SESSION_AT + 1 + (this.uint8(SESSION_AT) ?? 0);
      return numbers(this, at + 2, this.uint16(at) ?? 0);
    },
    /** The data of an extension, when all of it is there; see {@link TlsExtension}. */
    extension(type: number): View | undefined {
      const found = walk(this, type, false);
      return typeof found === "object" ? found : undefined;
    },
  },
});

/**
 * Goes through the extensions up to one of this type, or to the end.
 * @param isWhole all bytes must be there that the lengths tell of
 * @returns the extension, "end" when there is none, `undefined` where the bytes end first, "broken" where a length
 *   leads further than the one around it
 */
function walk(hello: View, wanted: number, isWhole: boolean): View | "end" | "broken" | undefined {
  const messageEnd = 4 + ((hello.uint16(1) ?? 0) << 8) + (hello.uint8(3) ?? 0);
  const session = hello.uint8(SESSION_AT);
  const suitesAt = SESSION_AT + 1 + (session ?? 0);
  const suites = hello.uint16(suitesAt);
  const methodsAt = suitesAt + 2 + (suites ?? 0);
  const methods = hello.uint8(methodsAt);
  const extensionsAt = methodsAt + 1 + (methods ?? 0);
  if (session === undefined || suites === undefined || methods === undefined) {
    return isWhole || extensionsAt > messageEnd ? "broken" : undefined;
  }
  // SSL 3.0 and TLS 1.0 may have none.
  if (extensionsAt === messageEnd) return "end";
  const told = hello.uint16(extensionsAt);
  if (extensionsAt + 2 + (told ?? 0) > messageEnd) return "broken";
  if (told === undefined) return undefined;
  const end = extensionsAt + 2 + told;
  let at = extensionsAt + 2;
  for (let count = 0; at < end && count < TLS_EXTENSION_COUNT_MAX; count++) {
    const type = hello.uint16(at);
    const bytes = hello.uint16(at + 2);
    if (at + 4 + (bytes ?? 0) > end) return "broken";
    if (type === undefined || bytes === undefined || !hello.$has(at + 4, bytes)) return undefined;
    if (type === wanted) return hello.slice(at + 4, bytes);
    at += 4 + bytes;
  }
  return "end";
}

/** The host's name in the data of the extension; a list with others before it is not sent by anybody. */
function nameOf(data: View | undefined): View | undefined {
  if (data?.uint8(2) !== 0) return undefined;
  return data.slice(5, data.uint16(3) ?? 0);
}

/** Numbers of 16 bits in `bytes` bytes from `at`, as far as they are there. */
function numbers(view: View, at: number, bytes: number): number[] {
  const found: number[] = [];
  for (let offset = 0; offset + 2 <= bytes; offset += 2) {
    const number = view.uint16(at + offset);
    if (number === undefined) break;
    found.push(number);
  }
  return found;
}
