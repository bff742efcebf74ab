/**
 * The rule set as text, from the configuration alone. A packet costs the same with one client and with ten
 * thousand: one look-up in a map in each direction, which counts it and gives it its mark, and no rule per client.
 * The look-up is made for every packet, never once per connection, so a revoked client's open connections stop.
 * @module
 */
import type { ElementSet, KeyType, RuleTable } from "#io/rule-set.ts";
import type { FirewallConfig } from "./config.ts";

/** The most clients (pairs of MAC and IP address) of each family that may pass at a time. */
export const CLIENT_COUNT_MAX = 65_536;

/** What a client sends: its MAC address and its address must both be right. */
export const UP: Record<4 | 6, ElementSet> = {
  4: { name: "up4", key: ["ether_addr", "ipv4_addr"], countMax: CLIENT_COUNT_MAX },
  6: { name: "up6", key: ["ether_addr", "ipv6_addr"], countMax: CLIENT_COUNT_MAX },
};

/** What a client receives. */
export const DOWN: Record<4 | 6, ElementSet> = {
  4: { name: "down4", key: ["ipv4_addr"], countMax: CLIENT_COUNT_MAX },
  6: { name: "down6", key: ["ipv6_addr"], countMax: CLIENT_COUNT_MAX },
};

const FAMILIES = [4, 6] as const;
const ADDRESS_TYPE: Record<4 | 6, KeyType> = { 4: "ipv4_addr", 6: "ipv6_addr" };
const PROTOCOL: Record<4 | 6, string> = { 4: "ip", 6: "ip6" };

/**
 * The table of a gateway. Loading it again replaces all rules in one step and keeps the elements of its maps.
 * Chains other than ours in other tables still see every packet that passes here.
 */
export function gatewayTable(config: FirewallConfig): RuleTable {
  const sets = [UP[4], UP[6], DOWN[4], DOWN[6]];
  const { table } = config;
  const lines = [
    `add table inet ${table} { comment "MetaNet: clients on ${config.inside}, outside on ${config.outside}"; }`,
    ...sets.map((set) => `add map inet ${table} ${set.name} { ${mapBody(set)} }`),
    ...FAMILIES.flatMap((family) => [
      `add set inet ${table} inside${family} { type ${ADDRESS_TYPE[family]}; flags interval; }`,
      `add set inet ${table} resolvers${family} { type ${ADDRESS_TYPE[family]}; }`,
    ]),
    // The rules of every chain go; chains, sets and elements stay.
    `flush table inet ${table}`,
    ...FAMILIES.flatMap((family) => [
      ...fillSet(table, `inside${family}`, prefixesOf(config, family)),
      ...fillSet(table, `resolvers${family}`, resolversOf(config, family)),
    ]),
    ...chains(config).flatMap(({ name, hook, rules }) => [
      `add chain inet ${table} ${name}${hook === undefined ? "" : ` { ${hook}; policy accept; }`}`,
      ...rules.map((rule) => `add rule inet ${table} ${name} ${rule}`),
    ]),
  ];
  return { name: table, sets, text: `${lines.join("\n")}\n` };
}

function mapBody(set: ElementSet): string {
  return `type ${set.key.join(" . ")} : mark; size ${set.countMax}; flags timeout; counter;`;
}

function fillSet(table: string, set: string, elements: readonly string[]): string[] {
  const flush = `flush set inet ${table} ${set}`;
  return elements.length === 0
    ? [flush]
    : [flush, `add element inet ${table} ${set} { ${elements.join(", ")} }`];
}

interface Chain {
  readonly name: string;
  /** Type, hook and priority of a chain the kernel calls; absent in one that others jump to. */
  readonly hook?: string;
  readonly rules: readonly string[];
}

/** Chains that others jump to stand before them: nft wants to know a name before it is used. */
function chains(config: FirewallConfig): Chain[] {
  const { inside, outside } = config;
  return [
    { name: "spoofed", hook: "type filter hook prerouting priority mangle", rules: spoofed(config) },
    { name: "prerouting", hook: "type nat hook prerouting priority dstnat", rules: redirects(config) },
    { name: "services", rules: services(config) },
    {
      name: "input",
      hook: "type filter hook input priority filter",
      rules: [`iifname "${inside}" goto services`],
    },
    { name: "upload", rules: upload(config) },
    { name: "download", rules: download() },
    {
      name: "forward",
      hook: "type filter hook forward priority filter",
      rules: [
        `iifname "${inside}" oifname "${outside}" goto upload`,
        `iifname "${outside}" oifname "${inside}" goto download`,
        // Neither to each other nor to other networks of this machine.
        `iifname "${inside}" counter drop`,
        `oifname "${inside}" counter drop`,
      ],
    },
    { name: "postrouting", hook: "type nat hook postrouting priority srcnat", rules: masquerade(config) },
  ];
}

/** Nobody but the inside interface sends with the clients' addresses. */
function spoofed(config: FirewallConfig): string[] {
  if (config.prefixes.length === 0) return [];
  return FAMILIES.map(
    (family) =>
      `iifname != { "lo", "${config.inside}" } ${PROTOCOL[family]} saddr @inside${family} counter drop`,
  );
}

/** Plain HTTP to us, and of clients without a permit to anybody. A look-up with `!=` counts nothing. */
function redirects({ inside, portalPort }: FirewallConfig): string[] {
  const http = `iifname "${inside}" tcp dport 80`;
  return [
    `${http} fib daddr type local redirect to :${portalPort}`,
    ...FAMILIES.map(
      (family) => `${http} ${sender(family)} != @${UP[family].name} redirect to :${portalPort}`,
    ),
  ];
}

/** What the inside may ask of this machine: an address, names, the portal, and that it is there. */
function services({ portalPort, apiPort }: FirewallConfig): string[] {
  const ports = [portalPort, ...(apiPort === undefined ? [] : [apiPort])];
  return [
    "ct state established,related accept",
    "ct state invalid counter drop",
    "udp dport { 67, 547 } accept",
    "meta l4proto { tcp, udp } th dport 53 accept",
    `tcp dport { ${ports.join(", ")} } accept`,
    "icmp type echo-request accept",
    // Router advertisements are ours to send, not the clients'.
    "icmpv6 type { echo-request, nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept",
    "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept",
    "counter drop",
  ];
}

function upload(config: FirewallConfig): string[] {
  return [
    "ct state invalid counter drop",
    ...(config.prefixes.length === 0 ? [] : FAMILIES).map(
      (family) => `${PROTOCOL[family]} saddr != @inside${family} counter drop`,
    ),
    ...FAMILIES.map(
      (family) =>
        `meta l4proto { tcp, udp } th dport 53 ${PROTOCOL[family]} daddr @resolvers${family} accept`,
    ),
    ...FAMILIES.map((family) => `meta mark set ${sender(family)} map @${UP[family].name} accept`),
    // A refusal at once is better than a wait: browsers then look for the portal, and QUIC gives way to TCP.
    "tcp dport { 80, 443 } counter reject with tcp reset",
    "udp dport 443 counter reject",
    "counter drop",
  ];
}

function download(): string[] {
  return [
    "ct state != { established, related } counter drop",
    ...FAMILIES.map(
      (family) =>
        `meta l4proto { tcp, udp } th sport 53 ${PROTOCOL[family]} saddr @resolvers${family} accept`,
    ),
    ...FAMILIES.map((family) => `meta mark set ${PROTOCOL[family]} daddr map @${DOWN[family].name} accept`),
    "counter drop",
  ];
}

function masquerade(config: FirewallConfig): string[] {
  const wanted = FAMILIES.filter((family) => (family === 4 ? config.masquerade : config.masquerade6));
  return wanted.map(
    (family) => `iifname "${config.inside}" oifname "${config.outside}" meta nfproto ipv${family} masquerade`,
  );
}

function sender(family: 4 | 6): string {
  return `ether saddr . ${PROTOCOL[family]} saddr`;
}

function prefixesOf(config: FirewallConfig, family: 4 | 6): string[] {
  return config.prefixes.filter(({ address }) => address.family === family).map(String);
}

function resolversOf(config: FirewallConfig, family: 4 | 6): string[] {
  return config.resolvers.filter((address) => address.family === family).map(String);
}
