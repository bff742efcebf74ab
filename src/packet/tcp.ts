/**
 * TCP (RFC 9293) with its options.
 * @module
 */
import { IpProtocol } from "./ipv4.ts";
import { findOption, type HeaderOption, optionOf, optionsOf, removeOption, setOption } from "./options.ts";
import { defineProtocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** Kinds of options as IANA lists them. */
export const TcpOption = {
  end: 0,
  fill: 1,
  maximumSegmentSize: 2,
  windowScale: 3,
  sackPermitted: 4,
  sack: 5,
  timestamps: 8,
} as const;

/** What arrived out of order: sequence numbers from `left` up to, without, `right` (RFC 2018 §3). */
export interface SackBlock {
  readonly left: number;
  readonly right: number;
}

const OPTIONS_AT = 20;

export const tcp = defineProtocol({
  name: "tcp",
  fields: {
    sourcePort: { at: 0, bits: 16 },
    destinationPort: { at: 16, bits: 16 },
    sequence: { at: 32, bits: 32 },
    acknowledgment: { at: 64, bits: 32 },
    /** The header's length in 32-bit words, 5 to 15. */
    dataOffset: { at: 96, bits: 4 },
    /** The eight flags as one number. */
    flags: { at: 104, bits: 8 },
    cwr: { at: 104, bits: 1, as: "boolean" },
    ece: { at: 105, bits: 1, as: "boolean" },
    urg: { at: 106, bits: 1, as: "boolean" },
    ack: { at: 107, bits: 1, as: "boolean" },
    psh: { at: 108, bits: 1, as: "boolean" },
    rst: { at: 109, bits: 1, as: "boolean" },
    syn: { at: 110, bits: 1, as: "boolean" },
    fin: { at: 111, bits: 1, as: "boolean" },
    window: { at: 112, bits: 16 },
    checksum: { at: 128, bits: 16 },
    urgentPointer: { at: 144, bits: 16 },
  },
  carriedBy: { ipv4: IpProtocol.tcp, ipv6: IpProtocol.tcp },
  headerBytes: (header) => header.dataOffset * 4,
  announces: (header) => header.destinationPort,
  announcesToo: (header) => header.sourcePort,
  headerUnitBytes: 4,
  announcedIn: "destinationPort",
  initial: { window: 65_535 },
  sized: (headerBytes) => ({ dataOffset: headerBytes / 4 }),
  isCarrier: true,
  checksum: { at: 16, covers: "all", pseudoHeader: { 4: true, 6: true } },
  methods: {
    /** All options but those that fill; ends at one that cannot be read. */
    options(): Iterable<HeaderOption> {
      return optionsOf(this, OPTIONS_AT);
    },
    /** The data of the first option of a kind; see {@link TcpOption}. */
    option(kind: number): View | undefined {
      return optionOf(this, OPTIONS_AT, kind);
    },
    /**
     * Writes an option, in place or with the header growing; `data` is without kind and length. `false` when there
     * is no room. @throws ReadOnlyPacketError
     */
    setOption(kind: number, data: Uint8Array): boolean {
      return setOption(this, OPTIONS_AT, kind, data);
    },
    /** Overwrites the options of a kind with ones that fill; whether there was one. @throws ReadOnlyPacketError */
    removeOption(kind: number): boolean {
      return removeOption(this, OPTIONS_AT, kind);
    },
    /** 0 to 65535; setting `undefined` removes the option. */
    get maximumSegmentSize(): number | undefined {
      const at = findOption(this, OPTIONS_AT, TcpOption.maximumSegmentSize, 2);
      return at < 0 ? undefined : this.$data.getUint16(this.$start + at + 2);
    },
    set maximumSegmentSize(value: number | undefined) {
      setNumber(this, TcpOption.maximumSegmentSize, 2, value);
    },
    /** As it stands there, 0 to 255; more than 14 counts as 14 (RFC 7323 §2.3). */
    get windowScale(): number | undefined {
      const at = findOption(this, OPTIONS_AT, TcpOption.windowScale, 1);
      return at < 0 ? undefined : this.$data.getUint8(this.$start + at + 2);
    },
    set windowScale(value: number | undefined) {
      setNumber(this, TcpOption.windowScale, 1, value);
    },
    get sackPermitted(): boolean {
      return findOption(this, OPTIONS_AT, TcpOption.sackPermitted) >= 0;
    },
    set sackPermitted(value: boolean) {
      if (value) setOption(this, OPTIONS_AT, TcpOption.sackPermitted, new Uint8Array(0));
      else removeOption(this, OPTIONS_AT, TcpOption.sackPermitted);
    },
    /** Empty without any. */
    get sackBlocks(): SackBlock[] {
      const option = optionOf(this, OPTIONS_AT, TcpOption.sack);
      const blocks: SackBlock[] = [];
      for (let at = 0; option !== undefined && at + 8 <= option.lengthBytes; at += 8)
        blocks.push({ left: option.uint32(at) ?? 0, right: option.uint32(at + 4) ?? 0 });
      return blocks;
    },
    /** TSval, 32 bits (RFC 7323 §3.2). */
    get timestamp(): number | undefined {
      const at = findOption(this, OPTIONS_AT, TcpOption.timestamps, 8);
      return at < 0 ? undefined : this.$data.getUint32(this.$start + at + 2);
    },
    set timestamp(value: number | undefined) {
      setTimestamp(this, 2, value);
    },
    /** TSecr, 32 bits. */
    get timestampEcho(): number | undefined {
      const at = findOption(this, OPTIONS_AT, TcpOption.timestamps, 8);
      return at < 0 ? undefined : this.$data.getUint32(this.$start + at + 6);
    },
    set timestampEcho(value: number | undefined) {
      setTimestamp(this, 6, value);
    },
  },
});

/** Writes an option that is one number of one or two bytes. */
function setNumber(view: View, kind: number, bytes: 1 | 2, value: number | undefined): void {
  if (value === undefined) removeOption(view, OPTIONS_AT, kind);
  else
    setOption(view, OPTIONS_AT, kind, bytes === 1 ? Uint8Array.of(value) : Uint8Array.of(value >> 8, value));
}

/** Writes one of the two timestamps; both are made when there are none. */
function setTimestamp(view: View, offset: 2 | 6, value: number | undefined): void {
  if (value === undefined) {
    removeOption(view, OPTIONS_AT, TcpOption.timestamps);
    return;
  }
  if (findOption(view, OPTIONS_AT, TcpOption.timestamps, 8) < 0)
    setOption(view, OPTIONS_AT, TcpOption.timestamps, new Uint8Array(8));
  const at = findOption(view, OPTIONS_AT, TcpOption.timestamps, 8);
  if (at >= 0) view.setUint32(at + offset, value);
}
