/**
 * Real DHCP clients, each with its own script, lease and pid files below its host's folder, so that nothing of the
 * real machine's configuration is read or written.
 * @module
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "#base/errors.ts";
import type { Duration } from "#base/time.ts";
import { seconds } from "#base/time.ts";
import type { LabHost } from "./lab-host.ts";
import type { LabProcess } from "./lab-process.ts";

/** What a client has after its lease, as its own kernel and files say it. */
export interface ClientState {
  /** IPv4 address with prefix length, or undefined. */
  readonly address: string | undefined;
  /** Next hop of the default route, or undefined. */
  readonly router: string | undefined;
  readonly nameServers: readonly string[];
  /** The client's global IPv6 addresses, from router advertisements. */
  readonly six: readonly string[];
}

/** A client did not get what it asked for in time. */
export class NoLeaseError extends UnavailableError {
  override readonly code: string = "lab-no-lease";
}

/**
 * Both clients run this on every event: dhclient says it in environment variables with `new_` before each name,
 * udhcpc in its first argument and plain variables. The file in /etc is the host's private one and is written in
 * place, because a bind mount cannot be replaced by renaming.
 */
const SCRIPT = `#!/bin/sh
set -e
event="\${1:-$reason}"
address="\${new_ip_address:-$ip}"
mask="\${new_subnet_mask:-$subnet}"
routers="\${new_routers:-$router}"
servers="\${new_domain_name_servers:-$dns}"
search="\${new_domain_name:-$domain}"
device="$interface"
case "$event" in
  BOUND | RENEW | REBIND | REBOOT | bound | renew)
    ip -4 address replace "$address/$mask" broadcast + dev "$device"
    for next in $routers; do ip route replace default via "$next" dev "$device"; break; done
    { [ -z "$search" ] || echo "search $search"; for one in $servers; do echo "nameserver $one"; done; } \\
      > /etc/resolv.conf
    ;;
  EXPIRE | FAIL | RELEASE | STOP | deconfig)
    ip -4 address flush dev "$device"
    : > /etc/resolv.conf
    ;;
  PREINIT)
    ip link set "$device" up
    ;;
esac
echo "event $event address $address"
`;

/** Retries come fast, because the server is two wires away; a lab is not the place to wait for back-off. */
const DHCLIENT_CONFIG = `timeout 20;
retry 1;
initial-interval 1;
backoff-cutoff 2;
select-timeout 0;
reboot 2;
request subnet-mask, broadcast-address, routers, domain-name, domain-name-servers;
`;

/** A client on its host; the same object asks, renews and releases. */
export class DhcpClient {
  readonly host: LabHost;
  readonly program: "dhclient" | "udhcpc";
  #process: LabProcess | undefined;

  constructor(host: LabHost, program: "dhclient" | "udhcpc") {
    this.host = host;
    this.program = program;
  }

  /** The command that {@link DhcpClient.start} runs. */
  get command(): { readonly command: string; readonly args: readonly string[] } {
    const file = (name: string): string => join(this.#folder(), name);
    if (this.program === "udhcpc") {
      const args = ["-f", "-i", "eth0", "-s", file("script"), "-p", file("pid"), "-t", "10", "-T", "1"];
      return { command: "udhcpc", args: [...args, "-A", "1", "-x", `hostname:${this.host.name}`] };
    }
    const files = ["-cf", file("conf"), "-sf", file("script"), "-lf", file("leases"), "-pf", file("pid")];
    return { command: "dhclient", args: ["-4", "-d", ...files, "eth0"] };
  }

  /**
   * Starts the client and waits until it has its lease; it stays and renews.
   * @throws NoLeaseError after `timeout`
   */
  async start(timeout: Duration = seconds(20)): Promise<ClientState> {
    const folder = this.#folder();
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "script"), SCRIPT);
    chmodSync(join(folder, "script"), 0o755);
    writeFileSync(join(folder, "conf"), `send host-name "${this.host.name}";\n${DHCLIENT_CONFIG}`);
    const { command, args } = this.command;
    this.#process = await this.host.start(this.program, command, args);
    try {
      await this.#process.line(/^event (BOUND|REBOOT|RENEW|bound|renew) /, timeout);
    } catch (cause) {
      throw new NoLeaseError(
        `Cannot get a lease for ${this.host.name} with ${this.program}: nothing bound within ${timeout} ms; ` +
          `it printed "${this.#process.tail()}"`,
        { cause },
      );
    }
    return clientState(this.host);
  }

  /** Ends the client; dhclient and udhcpc keep the lease at the server unless they are told to release. */
  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  /** Gives the lease back (DHCPRELEASE) and ends the client. */
  async release(): Promise<void> {
    if (this.program === "udhcpc") {
      // udhcpc releases on SIGUSR2; a second signal before it has would take the place of the first.
      const released = this.#process?.nextLine(/^event deconfig /, seconds(5));
      this.#process?.kill("SIGUSR2");
      await released?.catch(() => {});
      await this.stop();
      return;
    }
    await this.stop();
    const { command, args } = this.command;
    await this.host.run(command, ["-r", ...args], { accept: "any", timeout: seconds(5) });
  }

  #folder(): string {
    return join(this.host.folder, this.program);
  }
}

/** Reads a client's addresses, route and name servers from its kernel and its own resolv.conf. */
export async function clientState(host: LabHost): Promise<ClientState> {
  const addresses = await host.ip("-j", "address", "show", "dev", "eth0");
  const routes = await host.ip("-j", "-4", "route", "show", "default");
  const [link]: { addr_info?: { family: string; local: string; prefixlen: number; scope: string }[] }[] =
    JSON.parse(addresses.stdout);
  const known = link?.addr_info ?? [];
  const four = known.find((entry) => entry.family === "inet");
  const [route]: { gateway?: string }[] = JSON.parse(routes.stdout || "[]");
  const resolv = existsSync(host.resolvConf) ? readFileSync(host.resolvConf, "utf8") : "";
  return {
    address: four && `${four.local}/${four.prefixlen}`,
    router: route?.gateway,
    nameServers: [...resolv.matchAll(/^nameserver (\S+)$/gm)].map((match) => match[1] ?? ""),
    six: known
      .filter((entry) => entry.family === "inet6" && entry.scope === "global")
      .map((entry) => entry.local),
  };
}
