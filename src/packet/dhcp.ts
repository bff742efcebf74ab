/**
 * DHCP (RFC 2131, RFC 2132) in the messages of BOOTP.
 * @module
 */
import type { Ipv4Input, MacInput } from "./address.ts";
import { macCodec } from "./ethernet.ts";
import type { InputsOf } from "./field.ts";
import { ipv4Codec } from "./ipv4.ts";
import { defineProtocol, type Protocol } from "./protocol.ts";
import type { View } from "./view.ts";

/** What a message is, by its option 53. */
export const DhcpMessage = {
  discover: 1,
  offer: 2,
  request: 3,
  decline: 4,
  acknowledgment: 5,
  refusal: 6,
  release: 7,
  inform: 8,
} as const;

/** One option; `view` is of its data. */
export interface DhcpOption {
  readonly code: number;
  readonly view: View;
}

export interface DhcpView extends View {
  /** 1 from clients, 2 from servers. */
  operation: number;
  hardwareType: number;
  hardwareBytes: number;
  hops: number;
  transaction: number;
  /** Since the client began. */
  seconds: number;
  /** The client wants the answer broadcast. */
  broadcast: boolean;
  /** What the client has already (ciaddr); takes text as well. */
  get clientAddress(): number;
  set clientAddress(address: Ipv4Input);
  /** What the server gives (yiaddr). */
  get yourAddress(): number;
  set yourAddress(address: Ipv4Input);
  /** Of the next server (siaddr). */
  get serverAddress(): number;
  set serverAddress(address: Ipv4Input);
  /** Of the relay agent (giaddr). */
  get relayAddress(): number;
  set relayAddress(address: Ipv4Input);
  /** The client's hardware address as Ethernet has it; takes text as well. */
  get clientMac(): number;
  set clientMac(address: MacInput);
  serverName: Uint8Array;
  file: Uint8Array;
  cookie: number;
  /** See {@link DhcpMessage}; `undefined` for BOOTP. */
  readonly messageType: number | undefined;
  /** The data of the first option with this code, wherever the options go on; `undefined` without one. */
  option(code: number): View | undefined;
  /** All options, also those in the file's and the server's name (RFC 2131 §4.1). */
  options(): Iterable<DhcpOption>;
}

const COOKIE = 0x6382_5363;
const SERVER_NAME = { at: 44, bytes: 64 } as const;
const FILE = { at: 108, bytes: 128 } as const;
const OPTIONS_AT = 240;
const PAD = 0;
const END = 255;
const OVERLOAD = 52;
const MESSAGE_TYPE = 53;

const fields = {
  operation: { at: 0, bits: 8 },
  hardwareType: { at: 8, bits: 8 },
  hardwareBytes: { at: 16, bits: 8 },
  hops: { at: 24, bits: 8 },
  transaction: { at: 32, bits: 32 },
  seconds: { at: 64, bits: 16 },
  broadcast: { at: 80, bits: 1, as: "boolean" },
  clientAddress: { at: 96, bits: 32, as: ipv4Codec },
  yourAddress: { at: 128, bits: 32, as: ipv4Codec },
  serverAddress: { at: 160, bits: 32, as: ipv4Codec },
  relayAddress: { at: 192, bits: 32, as: ipv4Codec },
  clientMac: { at: 224, bits: 48, as: macCodec },
  serverName: { at: SERVER_NAME.at * 8, bits: SERVER_NAME.bytes * 8, as: "bytes" },
  file: { at: FILE.at * 8, bits: FILE.bytes * 8, as: "bytes" },
  cookie: { at: 1888, bits: 32 },
} as const;

export const dhcp = defineProtocol({
  name: "dhcp",
  fields,
  carriedBy: { udp: [67, 68] },
  accepts: ({ cookie }) => cookie === COOKIE,
  initial: { operation: 1, hardwareType: 1, hardwareBytes: 6, cookie: COOKIE },
  methods: {
    get messageType(): number | undefined {
      return firstOf(this, MESSAGE_TYPE)?.uint8(0);
    },
    option(code: number): View | undefined {
      return firstOf(this, code);
    },
    options(): Iterable<DhcpOption> {
      return optionsOf(this);
    },
  },
}) as unknown as Protocol<DhcpView, InputsOf<typeof fields>>;

function firstOf(view: View, code: number): View | undefined {
  for (const option of optionsOf(view)) if (option.code === code) return option.view;
  return undefined;
}

function* optionsOf(view: View): Iterable<DhcpOption> {
  let overload = 0;
  for (const option of area(view, OPTIONS_AT, view.lengthBytes)) {
    if (option.code === OVERLOAD) overload = option.view.uint8(0) ?? 0;
    yield option;
  }
  // First the file's name, then the server's (RFC 2131 §4.1).
  if ((overload & 1) !== 0) yield* area(view, FILE.at, FILE.at + FILE.bytes);
  if ((overload & 2) !== 0) yield* area(view, SERVER_NAME.at, SERVER_NAME.at + SERVER_NAME.bytes);
}

/** The options from `at` to `end`; an option that leads further ends them. */
function* area(view: View, at: number, end: number): Iterable<DhcpOption> {
  for (let place = at; place < end; ) {
    const code = view.uint8(place);
    if (code === PAD) {
      place++;
      continue;
    }
    const bytes = view.uint8(place + 1);
    if (code === undefined || code === END || bytes === undefined || place + 2 + bytes > end) return;
    const data = view.slice(place + 2, bytes);
    if (data !== undefined) yield { code, view: data };
    place += 2 + bytes;
  }
}
