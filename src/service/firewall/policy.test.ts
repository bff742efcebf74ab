import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ip, prefix } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { hours, milliseconds } from "#base/time.ts";
import { type PermitRequest, type Policy, refusal } from "./policy.ts";

const open: Policy = { inside: "lan0", prefixes: [], marks: [1, 7], timeoutMax: hours(1) };
const closed: Policy = { ...open, prefixes: [prefix("10.77.0.0/24"), prefix("2001:db8:77::/64")] };

const REQUESTS: [
  what: string,
  policy: Policy,
  request: Partial<Omit<PermitRequest, "mac" | "address">> & { mac?: string; address?: string },
  refused: RegExp | undefined,
][] = [
  ["an address of any network, when none is configured", open, { address: "192.0.2.9" }, undefined],
  ["an IPv4 address inside", closed, { address: "10.77.0.255" }, undefined],
  [
    "an IPv4 address outside",
    closed,
    { address: "10.77.1.0" },
    /outside of 10\.77\.0\.0\/24, 2001:db8:77::\/64/,
  ],
  ["an IPv6 address inside", closed, { address: "2001:db8:77::5" }, undefined],
  ["an IPv6 address outside", closed, { address: "2001:db8:78::5" }, /outside of/],
  [
    "an IPv6 address when only IPv4 is configured",
    { ...open, prefixes: [prefix("10.0.0.0/8")] },
    { address: "2001:db8::1" },
    /outside of 10/,
  ],
  ["no IPv4 address", open, { address: "0.0.0.0" }, /no address/],
  ["an address of this network", open, { address: "0.1.2.3" }, /no address/],
  ["a loopback address", open, { address: "127.0.0.9" }, /own address/],
  ["a multicast address", open, { address: "224.0.0.1" }, /group's/],
  ["the broadcast address", open, { address: "255.255.255.255" }, /reserved/],
  ["no IPv6 address", open, { address: "::" }, /no address/],
  ["the IPv6 loopback address", open, { address: "::1" }, /own address/],
  ["an IPv6 multicast address", open, { address: "ff02::1" }, /group's/],
  ["a link-local address", open, { address: "fe80::1" }, /does not leave its link/],
  ["a group's MAC address", open, { mac: "03:00:00:00:00:01" }, /group, not of one client/],
  ["the broadcast MAC address", open, { mac: "ff:ff:ff:ff:ff:ff" }, /group/],
  ["nobody's MAC address", open, { mac: "00:00:00:00:00:00" }, /nobody's/],
  ["a mark of the list", open, { mark: 7 }, undefined],
  ["a mark not of the list", open, { mark: 2 }, /mark 2 is not one of 1, 7/],
  ["the longest timeout", open, { timeout: hours(1) }, undefined],
  [
    "a longer timeout",
    open,
    { timeout: milliseconds(3_600_001) },
    /timeout 3600001 ms is outside 1000\.\.3600000/,
  ],
  ["the shortest timeout", open, { timeout: milliseconds(1000) }, undefined],
  ["a shorter timeout", open, { timeout: milliseconds(999) }, /timeout 999 ms/],
  ["a timeout that is no number", open, { timeout: milliseconds(Number.NaN) }, /timeout NaN ms/],
  ["the inside interface", open, { interface: "lan0" }, undefined],
  ["another interface", open, { interface: "wan0" }, /'wan0' is not the inside interface lan0/],
];

describe("refusal() of a permit for", () => {
  for (const [what, policy, request, refused] of REQUESTS) {
    test(`${what}: ${refused ? "refused" : "allowed"}`, () => {
      const why = refusal(policy, {
        mark: 1,
        ...request,
        mac: mac(request.mac ?? "02:00:00:00:00:01"),
        address: ip(request.address ?? "10.77.0.5"),
      });
      if (refused) assert.match(why ?? "allowed", refused);
      else assert.equal(why, undefined);
    });
  }
});
