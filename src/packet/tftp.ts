/**
 * TFTP (RFC 1350) with its options (RFC 2347). Only requests go to the known port: what follows runs between other
 * ports, where `udp.as(tftp)` finds it.
 * @module
 */
import { defineProtocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** TFTP's packets. */
export const TftpOpcode = {
  readRequest: 1,
  writeRequest: 2,
  data: 3,
  acknowledgment: 4,
  error: 5,
  optionAcknowledgment: 6,
} as const;

/** Texts that are looked at in one packet: two of a request and two for each option. */
export const TFTP_TEXT_COUNT_MAX = 66;

export const tftp = defineProtocol({
  name: "tftp",
  fields: {
    /** See {@link TftpOpcode}. */
    opcode: { at: 0, bits: 16 },
    /** The number of a block, of data and acknowledgments. */
    block: { at: 16, bits: (header) => (isBetween(header, 3, 4) ? 16 : 0) },
    /** Of an error (RFC 1350 §5). */
    errorCode: { at: 16, bits: (header) => (isBetween(header, 5, 5) ? 16 : 0) },
  },
  carriedBy: { udp: 69 },
  headerBytes: (header) => (isBetween(header, 3, 5) ? 4 : 2),
  accepts: ({ opcode }) => opcode >= 1 && opcode <= 6,
  methods: {
    /** The file of a request; `undefined` in other packets and where the text does not end. */
    get filename(): string | undefined {
      return isBetween(this, 1, 2) ? textAt(this, 0) : undefined;
    },
    /** The mode of a request as it is written: `octet`, `netascii`. */
    get mode(): string | undefined {
      return isBetween(this, 1, 2) ? textAt(this, 1) : undefined;
    },
    /** The words of an error. */
    get errorMessage(): string | undefined {
      return isBetween(this, 5, 5) ? textAt(this, 0) : undefined;
    },
    /** The value of an option of a request or of its acknowledgment; names in whatever case. */
    option(name: string): string | undefined {
      for (const [key, value] of this.options()) if (key === name.toLowerCase()) return value;
      return undefined;
    },
    /** All options that are whole, names in lower case. */
    *options(): Iterable<readonly [string, string]> {
      const isRequest = isBetween(this, 1, 2);
      if (!isRequest && !isBetween(this, 6, 6)) return;
      for (let index = isRequest ? 2 : 0; index + 1 < TFTP_TEXT_COUNT_MAX; index += 2) {
        const name = textAt(this, index);
        const value = textAt(this, index + 1);
        if (name === undefined || value === undefined) return;
        yield [name.toLowerCase(), value];
      }
    },
  },
});

function isBetween(view: View, first: number, last: number): boolean {
  const opcode = view.uint16(0) ?? 0;
  return opcode >= first && opcode <= last;
}

/** A text that ends with a zero byte, by its number behind the header. */
function textAt(view: View, index: number): string | undefined {
  let start = view.$header;
  for (let skipped = 0; ; skipped++) {
    const end = view.indexOf(0, start);
    if (end < 0) return undefined;
    if (skipped === index) return view.text(start, end - start);
    start = end + 1;
  }
}
