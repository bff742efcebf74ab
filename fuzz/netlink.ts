/**
 * What the kernel, or somebody in its place, answers over netlink: neighbours, tables, rules and elements.
 * @module
 */
import assert from "node:assert/strict";
import { parseHex } from "#base/hex.ts";
import { decodeNetlinkMessages, decodeNetlinkReply } from "#wire/netlink.ts";
import { decodeNftElements, decodeNftRule, decodeNftTable } from "#wire/nftables.ts";
import { decodeNeighbour } from "#wire/rtnetlink.ts";
import { corpusOf, main, spoiledBytes, type Target } from "./target.ts";

const corpus = corpusOf("netlink").map(parseHex);

export const netlink: Target<Uint8Array> = {
  name: "netlink",
  invariant: "nothing throws, bodies lie inside of the bytes in their order, and elements have whole keys",
  corpus,
  inputs: spoiledBytes(corpus),
  testRounds: 1000,
  check(bytes) {
    let end = 0;
    for (const { body } of decodeNetlinkMessages(bytes) ?? []) {
      assert.ok(body.byteOffset - bytes.byteOffset >= end + 16);
      end = body.byteOffset - bytes.byteOffset + body.length;
      assert.ok(end <= bytes.length);
      const reply = decodeNetlinkReply(body);
      assert.ok(reply === undefined || reply.errno >= 0);
      decodeNeighbour(body);
      decodeNftTable(body);
      decodeNftRule(body);
      for (const types of [["ether_addr", "ipv4_addr"], ["ipv6_addr"]] as const) {
        for (const { key } of decodeNftElements(body, types)?.elements ?? []) {
          assert.equal(key.length, types.length);
        }
      }
    }
  },
};

if (import.meta.main) await main(netlink);
