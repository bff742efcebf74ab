import assert from "node:assert/strict";
import { test } from "node:test";
import { ip, prefix } from "#base/ip-address.ts";
import { type FirewallOptions, firewallConfig } from "./config.ts";
import { CLIENT_COUNT_MAX, DOWN, gatewayTable, UP } from "./rules.ts";

const least: FirewallOptions = { inside: "lan0", outside: "wan0" };
const full: FirewallOptions = {
  ...least,
  apiPort: 5443,
  masquerade6: true,
  prefixes: [prefix("10.77.0.0/24"), prefix("2001:db8:77::/64")],
  resolvers: [ip("9.9.9.9"), ip("2620:fe::fe")],
};

function linesOf(options: FirewallOptions): string[] {
  return gatewayTable(firewallConfig(options))
    .text.split("\n")
    .filter((line) => line !== "");
}

const FULL = `
add table inet metanet { comment "MetaNet: clients on lan0, outside on wan0"; }
add map inet metanet up4 { type ether_addr . ipv4_addr : mark; size 65536; flags timeout; counter; }
add map inet metanet up6 { type ether_addr . ipv6_addr : mark; size 65536; flags timeout; counter; }
add map inet metanet down4 { type ipv4_addr : mark; size 65536; flags timeout; counter; }
add map inet metanet down6 { type ipv6_addr : mark; size 65536; flags timeout; counter; }
add set inet metanet inside4 { type ipv4_addr; flags interval; }
add set inet metanet resolvers4 { type ipv4_addr; }
add set inet metanet inside6 { type ipv6_addr; flags interval; }
add set inet metanet resolvers6 { type ipv6_addr; }
flush table inet metanet
flush set inet metanet inside4
add element inet metanet inside4 { 10.77.0.0/24 }
flush set inet metanet resolvers4
add element inet metanet resolvers4 { 9.9.9.9 }
flush set inet metanet inside6
add element inet metanet inside6 { 2001:db8:77::/64 }
flush set inet metanet resolvers6
add element inet metanet resolvers6 { 2620:fe::fe }

add chain inet metanet spoofed { type filter hook prerouting priority mangle; policy accept; }
add rule inet metanet spoofed iifname != { "lo", "lan0" } ip saddr @inside4 counter drop
add rule inet metanet spoofed iifname != { "lo", "lan0" } ip6 saddr @inside6 counter drop

add chain inet metanet prerouting { type nat hook prerouting priority dstnat; policy accept; }
add rule inet metanet prerouting iifname "lan0" tcp dport 80 fib daddr type local redirect to :5280
add rule inet metanet prerouting iifname "lan0" tcp dport 80 ether saddr . ip saddr != @up4 redirect to :5280
add rule inet metanet prerouting iifname "lan0" tcp dport 80 ether saddr . ip6 saddr != @up6 redirect to :5280

add chain inet metanet services
add rule inet metanet services ct state established,related accept
add rule inet metanet services ct state invalid counter drop
add rule inet metanet services udp dport { 67, 547 } accept
add rule inet metanet services meta l4proto { tcp, udp } th dport 53 accept
add rule inet metanet services tcp dport { 5280, 5443 } accept
add rule inet metanet services icmp type echo-request accept
add rule inet metanet services icmpv6 type { echo-request, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
add rule inet metanet services icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept
add rule inet metanet services counter drop

add chain inet metanet input { type filter hook input priority filter; policy accept; }
add rule inet metanet input iifname "lan0" goto services

add chain inet metanet upload
add rule inet metanet upload ct state invalid counter drop
add rule inet metanet upload ip saddr != @inside4 counter drop
add rule inet metanet upload ip6 saddr != @inside6 counter drop
add rule inet metanet upload meta l4proto { tcp, udp } th dport 53 ip daddr @resolvers4 accept
add rule inet metanet upload meta l4proto { tcp, udp } th dport 53 ip6 daddr @resolvers6 accept
add rule inet metanet upload meta mark set ether saddr . ip saddr map @up4 accept
add rule inet metanet upload meta mark set ether saddr . ip6 saddr map @up6 accept
add rule inet metanet upload tcp dport { 80, 443 } counter reject with tcp reset
add rule inet metanet upload udp dport 443 counter reject
add rule inet metanet upload counter drop

add chain inet metanet download
add rule inet metanet download ct state != { established, related } counter drop
add rule inet metanet download meta l4proto { tcp, udp } th sport 53 ip saddr @resolvers4 accept
add rule inet metanet download meta l4proto { tcp, udp } th sport 53 ip6 saddr @resolvers6 accept
add rule inet metanet download meta mark set ip daddr map @down4 accept
add rule inet metanet download meta mark set ip6 daddr map @down6 accept
add rule inet metanet download counter drop

add chain inet metanet forward { type filter hook forward priority filter; policy accept; }
add rule inet metanet forward iifname "lan0" oifname "wan0" goto upload
add rule inet metanet forward iifname "wan0" oifname "lan0" goto download
add rule inet metanet forward iifname "lan0" counter drop
add rule inet metanet forward oifname "lan0" counter drop

add chain inet metanet postrouting { type nat hook postrouting priority srcnat; policy accept; }
add rule inet metanet postrouting iifname "lan0" oifname "wan0" meta nfproto ipv4 masquerade
add rule inet metanet postrouting iifname "lan0" oifname "wan0" meta nfproto ipv6 masquerade
`;

test("gatewayTable() writes the whole rule set", () => {
  assert.deepEqual(
    linesOf(full),
    FULL.split("\n").filter((line) => line !== ""),
  );
});

/** What the lines of one rule set are that another does not have. */
function difference(options: FirewallOptions, other: FirewallOptions): string[] {
  const others = new Set(linesOf(other));
  return linesOf(options).filter((line) => !others.has(line));
}

const OPTIONS: [what: string, options: Partial<FirewallOptions>, added: string[]][] = [
  ["nothing", {}, []],
  [
    "a portal port",
    { portalPort: 8080 },
    [
      'add rule inet metanet prerouting iifname "lan0" tcp dport 80 fib daddr type local redirect to :8080',
      'add rule inet metanet prerouting iifname "lan0" tcp dport 80 ether saddr . ip saddr != @up4 redirect to :8080',
      'add rule inet metanet prerouting iifname "lan0" tcp dport 80 ether saddr . ip6 saddr != @up6 redirect to :8080',
      "add rule inet metanet services tcp dport { 8080 } accept",
    ],
  ],
  ["no address translation", { masquerade: false }, []],
  [
    "address translation for IPv6",
    { masquerade6: true },
    ['add rule inet metanet postrouting iifname "lan0" oifname "wan0" meta nfproto ipv6 masquerade'],
  ],
  [
    "a name server outside",
    { resolvers: [ip("9.9.9.9")] },
    ["add element inet metanet resolvers4 { 9.9.9.9 }"],
  ],
  [
    "a network of one family: the other has none, and so nobody",
    { prefixes: [prefix("10.77.0.0/24")] },
    [
      "add element inet metanet inside4 { 10.77.0.0/24 }",
      'add rule inet metanet spoofed iifname != { "lo", "lan0" } ip saddr @inside4 counter drop',
      'add rule inet metanet spoofed iifname != { "lo", "lan0" } ip6 saddr @inside6 counter drop',
      "add rule inet metanet upload ip saddr != @inside4 counter drop",
      "add rule inet metanet upload ip6 saddr != @inside6 counter drop",
    ],
  ],
];

for (const [what, options, added] of OPTIONS) {
  test(`gatewayTable() adds for ${what} these lines: ${added.length}`, () => {
    assert.deepEqual(difference({ ...least, ...options }, least), added);
  });
}

test("gatewayTable() without address translation has no masquerade rule", () => {
  assert.ok(!linesOf({ ...least, masquerade: false }).some((line) => line.includes(" masquerade")));
});

test("gatewayTable() touches no table but its own", () => {
  for (const line of linesOf({ ...full, table: "metanet-2" })) {
    assert.match(line, /^(add (table|map|set|element|chain|rule)|flush (table|set)) inet metanet-2( |$)/);
  }
});

test("gatewayTable() names the sets that the broker fills, with their limit", () => {
  const table = gatewayTable(firewallConfig(least));
  assert.deepEqual(table.sets, [UP[4], UP[6], DOWN[4], DOWN[6]]);
  for (const set of table.sets) {
    assert.equal(set.countMax, CLIENT_COUNT_MAX);
    assert.match(
      table.text,
      new RegExp(`map inet metanet ${set.name} \\{ type ${set.key.join(" . ")} : mark; size 65536;`),
    );
  }
});
