/**
 * Packets as any machine can send them, through every view: each protocol is looked for wherever it may be and where
 * it may not, each field and walk is read, each field is written.
 * @module
 */
import assert from "node:assert/strict";
import { parseHex } from "#base/hex.ts";
// What is not imported is not defined.
import "#packet/arp.ts";
import "#packet/dhcp.ts";
import { DnsQuestion } from "#packet/dns.ts";
import "#packet/http.ts";
import "#packet/icmp.ts";
import "#packet/icmpv6.ts";
import "#packet/ipv6.ts";
import "#packet/tcp.ts";
import "#packet/tftp.ts";
import "#packet/tls.ts";
import "#packet/tunnel.ts";
import "#packet/udp.ts";
import "#packet/vlan.ts";
import { EtherType } from "#packet/ethernet.ts";
import { ETHERNET_FIRST, Packet } from "#packet/packet.ts";
import { protocols } from "#packet/protocol.ts";
import { verifyChecksum } from "#packet/verify.ts";
import { View } from "#packet/view.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("packet").map(parseHex);
/** Bytes around the packet that are nobody's. */
const MARGIN_BYTES = 300;
/** Milliseconds for one packet, through all views, on a slow and busy machine. */
const TIME_MAX = 2000;
/** Arguments for methods that want some. */
const NUMBERS = [0, 1, 2, 3, 5, 8, 16, 43, 44, 52, 53, 82, 255];
const TEXTS = ["host", "blksize", ""];

export const packet: Target<Uint8Array> = {
  name: "packet",
  invariant: "nothing is read or written outside of a packet, nothing throws, and walks end",
  corpus,
  inputs: spoiledBytes(corpus),
  testRounds: 150,
  check(bytes) {
    const started = performance.now();
    for (const etherType of [ETHERNET_FIRST, EtherType.ipv4, EtherType.ipv6]) {
      const seen = observe(place(bytes, 0x00, etherType).packet);
      assert.deepEqual(
        observe(place(bytes, 0xff, etherType).packet),
        seen,
        "what is outside is not looked at",
      );
      assert.deepEqual(observe(exactly(bytes, etherType)), seen, "nor what is not there");
      const { packet: written, memory } = place(bytes, 0xa5, etherType);
      writeAll(written);
      assert.ok(isOnly(memory, 0xa5, bytes.length), "what is outside stays as it is");
    }
    const took = performance.now() - started;
    assert.ok(took < TIME_MAX, `it takes ${Math.round(took)} ms`);
  },
};

interface Placed {
  readonly packet: Packet;
  readonly memory: Uint8Array;
}

/** A packet in the middle of a memory full of something else. */
function place(bytes: Uint8Array, around: number, etherType: number): Placed {
  const memory = new Uint8Array(bytes.length + 2 * MARGIN_BYTES).fill(around);
  memory.set(bytes, MARGIN_BYTES);
  const data = new DataView(memory.buffer);
  return { packet: new Packet().aim(data, MARGIN_BYTES, bytes.length, etherType), memory };
}

/** A packet in a memory that ends with it. */
function exactly(bytes: Uint8Array, etherType: number): Packet {
  const copy = Uint8Array.from(bytes);
  return new Packet().aim(new DataView(copy.buffer), 0, copy.length, etherType);
}

function isOnly(memory: Uint8Array, value: number, lengthBytes: number): boolean {
  const before = memory.subarray(0, MARGIN_BYTES);
  const behind = memory.subarray(MARGIN_BYTES + lengthBytes);
  return before.every((byte) => byte === value) && behind.every((byte) => byte === value);
}

/** All views: those that a packet says it has, and every protocol at every place where a header begins. */
function* viewsOf(subject: Packet): Iterable<View> {
  const headers = subject.headers();
  yield* headers;
  for (const protocol of protocols()) {
    const found = subject.find(protocol);
    if (found !== undefined) yield found;
  }
  for (const header of [subject, ...headers.slice(0, 6)]) {
    for (const protocol of protocols()) {
      const found = header.as(protocol);
      if (found !== undefined) yield found;
    }
  }
}

/** Everything that can be read. */
function observe(subject: Packet): unknown[] {
  const seen: unknown[] = [];
  for (const view of viewsOf(subject)) {
    assert.ok(view.$start >= subject.$start && view.$end <= subject.$end, "a view is inside of its packet");
    seen.push(view.$of.name, view.offsetBytes, view.headerBytes, view.lengthBytes, verifyChecksum(view));
    for (const [name, property] of propertiesOf(view)) {
      if (property.get !== undefined) seen.push(name, plain(property.get.call(view)));
      else if (typeof property.value === "function" && !/^\$|^set|^remove/.test(name))
        for (const result of callAll(view, property.value)) seen.push(name, plain(result));
    }
  }
  return seen;
}

type Method = (...values: unknown[]) => unknown;

function callAll(view: View, method: Method): unknown[] {
  if (method.length === 0) return [method.call(view)];
  return [...NUMBERS, ...TEXTS].map((argument) => {
    try {
      return method.call(view, argument);
    } catch (error) {
      // A method that wants a text is given a number here, and only that may be said of it.
      if (error instanceof TypeError && typeof argument === "number") return "no text";
      throw error;
    }
  });
}

/** Fields and methods of the protocol, without those that every view has. */
function propertiesOf(view: View): [string, PropertyDescriptor][] {
  const prototype: object = Object.getPrototypeOf(view);
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(
    ([name]) => !(name in View.prototype),
  );
}

/** Something that can be compared: views become where they are, walks become lists. */
function plain(value: unknown): unknown {
  if (value instanceof View) return ["view", value.offsetBytes, value.copy()];
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (value instanceof DnsQuestion) return [value.at, ...gettersOf(value)];
  if (typeof value !== "object" || value === null) return value;
  if (Symbol.iterator in value) return Array.from(value as Iterable<unknown>, plain);
  return Object.entries(value).map(([name, part]) => [name, plain(part)]);
}

/** What a question or a record of DNS tells. */
function gettersOf(value: object): unknown[] {
  const seen: unknown[] = [];
  for (let each: object = value; each !== Object.prototype; each = Object.getPrototypeOf(each)) {
    for (const property of Object.values(Object.getOwnPropertyDescriptors(each)))
      if (property.get !== undefined) seen.push(plain(property.get.call(value)));
  }
  return seen;
}

/** Writes every field of every view, options, some bytes, and more or fewer of them. */
function writeAll(subject: Packet): void {
  let turn = 0;
  for (const view of [...viewsOf(subject)]) {
    for (const name of Object.keys(view.$of.fields)) {
      const fields = view as unknown as Record<string, unknown>;
      const now = fields[name];
      turn = (turn * 31 + 7) % 65_521;
      if (typeof now === "boolean") fields[name] = !now;
      else if (typeof now === "number") fields[name] = turn;
      else if (typeof now === "bigint") fields[name] = BigInt(turn) << 100n;
      else if (now instanceof Uint8Array) fields[name] = now.map((byte) => byte ^ turn);
    }
    view.fill(turn & 255, turn % (view.lengthBytes + 1), 1);
    view.write(turn % 7, Uint8Array.of(1, 2, 3));
  }
  // Only now: a packet that grows may move to another memory.
  for (const view of [...viewsOf(subject)]) {
    turn = (turn * 31 + 7) % 65_521;
    const options = view as View & { setOption?(kind: number, data: Uint8Array): boolean };
    options.setOption?.(turn % 9, new Uint8Array(turn % 11));
  }
  // The views move with what becomes longer and shorter, and can be read still.
  for (const view of [...viewsOf(subject)].slice(0, 8)) {
    turn = (turn * 31 + 7) % 65_521;
    view.splice(Math.min(view.headerBytes, view.lengthBytes), 0, new Uint8Array(turn % 9));
    view.payload().splice(0, Math.min(turn % 5, view.lengthBytes - view.headerBytes));
  }
  for (const view of subject.$views())
    assert.ok(view.$start >= subject.$start && view.$end <= subject.$end, "views stay inside");
  for (const view of viewsOf(subject))
    for (const [, property] of propertiesOf(view)) plain(property.get?.call(view));
}

if (import.meta.main) await main(packet);
