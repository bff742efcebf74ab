/**
 * What runs in the lab's internet: a name server, a web server, and counters of the packets that arrive from the
 * gateway, which prove that a dropped packet was dropped and not merely unanswered.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { seconds } from "#base/time.ts";
import { ECHO_PORT, GATEWAY, INTERNET, WEB_NAMES } from "./address-plan.ts";
import type { LabHost } from "./lab-host.ts";
import { scriptArguments } from "./script-arguments.ts";

/** Packets that came in from the gateway, by kind. */
export interface Arrivals {
  readonly ping4: number;
  readonly ping6: number;
  readonly tcp4: number;
  readonly tcp6: number;
}

const COUNTERS = `
table inet arrivals {
  counter ping4 { }
  counter ping6 { }
  counter tcp4 { }
  counter tcp6 { }
  chain prerouting {
    type filter hook prerouting priority 0; policy accept;
    iifname "wan0" icmp type echo-request counter name ping4
    iifname "wan0" icmpv6 type echo-request counter name ping6
    iifname "wan0" meta nfproto ipv4 meta l4proto tcp counter name tcp4
    iifname "wan0" meta nfproto ipv6 meta l4proto tcp counter name tcp6
  }
}
`;

/**
 * Starts the internet's programs.
 * @throws CommandFailedError
 */
export async function startInternet(internet: LabHost): Promise<void> {
  await internet.run("nft", ["-f", "-"], { input: COUNTERS, fix: "Install the Debian package nftables." });
  await startNameServer(internet, internetNames());
  const web = await internet.start("web-site", process.execPath, [
    ...scriptArguments("web-site"),
    String(ECHO_PORT),
  ]);
  await web.line(/^ready$/, seconds(10));
}

/**
 * Starts what the gateway needs besides MetaNet: a resolver for its clients, and router advertisements, from which
 * they make their IPv6 addresses.
 * @throws CommandFailedError
 */
export async function startResolver(gateway: LabHost): Promise<void> {
  await startNameServer(gateway, [
    `server=${INTERNET.name.four}`,
    "interface=lan0",
    "except-interface=lo",
    "bind-dynamic",
    "enable-ra",
    "dhcp-range=::,constructor:lan0,ra-only,64,10m",
    // In their first minute advertisements come up to twenty seconds apart; a router counts for as long as it is there.
    "ra-param=lan0,4,1800",
  ]);
}

/** Reads the counters of {@link startInternet}. */
export async function arrivals(internet: LabHost): Promise<Arrivals> {
  const { stdout } = await internet.run("nft", ["-j", "list", "counters", "table", "inet", "arrivals"]);
  const listed: { nftables: { counter?: { name: string; packets: number } }[] } = JSON.parse(stdout);
  const count = (name: string): number =>
    listed.nftables.find((entry) => entry.counter?.name === name)?.counter?.packets ?? 0;
  return { ping4: count("ping4"), ping6: count("ping6"), tcp4: count("tcp4"), tcp6: count("tcp6") };
}

function internetNames(): string[] {
  const { organisation, company } = INTERNET;
  const address = (name: string, at: { readonly four: string; readonly six: string }): string[] => [
    `address=/${name}/${at.four}`,
    `address=/${name}/${at.six}`,
  ];
  return [
    "bind-interfaces",
    ...[INTERNET.name.four, INTERNET.name.six].map((at) => `listen-address=${at}`),
    ...WEB_NAMES.organisation.flatMap((name) => address(name, organisation)),
    ...WEB_NAMES.company.flatMap((name) => address(name, company)),
    "local=/#/",
  ];
}

async function startNameServer(host: LabHost, settings: readonly string[]): Promise<void> {
  const file = join(host.folder, "dnsmasq.conf");
  const common = ["no-resolv", "no-hosts", "no-poll", `domain=${GATEWAY.domain}`, "cache-size=0"];
  writeFileSync(file, `${[...common, ...settings].join("\n")}\n`);
  // --no-daemon also keeps the user: in a user namespace there is no second one to change to.
  const server = await host.start("dnsmasq", "dnsmasq", [
    "--no-daemon",
    `--conf-file=${file}`,
    `--dhcp-leasefile=${join(host.folder, "dnsmasq.leases")}`,
    "--pid-file=",
  ]);
  await server.line(/started, version/, seconds(10));
}
