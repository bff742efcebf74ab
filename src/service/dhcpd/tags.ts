/**
 * Requests and replies as tuples of messages, and back: what the contract calls `asked` and `reply`.
 * @module
 */
import { IpAddress } from "#base/ip-address.ts";
import type { Value } from "#base/value.ts";
import { type Message, sameValue } from "#mailbox/message.ts";
import { optionOf } from "#wire/dhcp4.ts";
import { DHCP4_OPTION, decodeOptionValue, specOfCode, specOfName } from "#wire/dhcp4-options.ts";
import { isSettable } from "./config.ts";
import type { Conversation } from "./conversation.ts";

type Tuples = (string | Value)[];

/** RFC 3046 section 2.0: the sub-options of relay agent information. */
const CIRCUIT_ID = 1;
const REMOTE_ID = 2;

/** Who asks, and for what; made once per conversation. */
export function requestTuples(conversation: Conversation): readonly (string | Value)[] {
  conversation.tuples ??= makeRequestTuples(conversation);
  return conversation.tuples;
}

function makeRequestTuples(conversation: Conversation): Tuples {
  const { request, client } = conversation;
  const { message } = request;
  const tuples = clientTuples(conversation);
  const add = (tag: string, value: Value | undefined): void => {
    if (value !== undefined) tuples.push(tag, value);
  };
  add("client-id", optionOf(message, DHCP4_OPTION["client-id"]));
  if (request.address !== 0) add("requested", IpAddress.fromUint32(request.address));
  add("hostname", client.hostName);
  const parameters = optionOf(message, DHCP4_OPTION["parameter-request-list"]);
  if (parameters) add("parameters", [...parameters]);
  const vendorClass = optionOf(message, DHCP4_OPTION["vendor-class"]);
  if (vendorClass) add("vendor-class", decodeOptionValue("text", vendorClass));
  add("user-class", optionOf(message, DHCP4_OPTION["user-class"]));
  const relayed = optionOf(message, DHCP4_OPTION["relay-agent-information"]);
  if (relayed) {
    add("circuit-id", subOption(relayed, CIRCUIT_ID));
    add("remote-id", subOption(relayed, REMOTE_ID));
  }
  return tuples;
}

/** Who it is; part of every message of the exchange. */
export function clientTuples({ request, mac, socket, classes }: Conversation): Tuples {
  const tuples: Tuples = ["xid", request.message.xid];
  if (mac) tuples.push("chaddr", mac);
  tuples.push("client", request.clientKey, "kind", request.kind, "interface", socket.interfaceName);
  if (request.message.giaddr !== 0) tuples.push("relay", IpAddress.fromUint32(request.message.giaddr));
  for (const name of classes) tuples.push("class", name);
  return tuples;
}

/** A sub-option of relay agent information; `undefined` when it is not there or the data are cut off. */
export function subOption(data: Uint8Array, code: number): Uint8Array | undefined {
  for (let offset = 0; offset + 2 <= data.length; ) {
    const end = offset + 2 + (data[offset + 1] ?? 0);
    if (end > data.length) return undefined;
    if (data[offset] === code) return data.subarray(offset + 2, end);
    offset = end;
  }
  return undefined;
}

/** The options the client would get now, as tags. */
export function optionTuples(conversation: Conversation): Tuples {
  const tuples: Tuples = [];
  const { values } = conversation.served;
  for (const [code, { name, value }] of values) {
    if (!conversation.overrides.has(code)) tuples.push(name, value);
  }
  for (const [code, value] of conversation.overrides) {
    if (value !== undefined) tuples.push(specOfCode(code).name, value);
  }
  return tuples;
}

/** Notes what a listener made of the options: set, changed, and, with `isWhole`, taken away. */
export function readOptionTags(conversation: Conversation, message: Message, isWhole: boolean): void {
  const { served, overrides } = conversation;
  const seen = new Set<number>();
  for (const [tag, value] of message) {
    const spec = REPLY_TAGS.has(tag) ? undefined : specOfName(tag);
    if (!spec || !isSettable(tag)) continue;
    seen.add(spec.code);
    const before = overrides.has(spec.code) ? overrides.get(spec.code) : served.values.get(spec.code)?.value;
    if (!sameValue(before, value)) overrides.set(spec.code, value);
  }
  if (!isWhole) return;
  for (const code of [...served.values.keys(), ...overrides.keys()]) {
    if (!seen.has(code)) overrides.set(code, undefined);
  }
}

/** Tags of a reply's message that are no options, though an option may have the name. */
const REPLY_TAGS: ReadonlySet<string> = new Set(["message"]);
