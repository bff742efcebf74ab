/**
 * What an operator can choose about the portal.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import { type Duration, hours, minutes, seconds } from "#base/time.ts";

/** The options of a portal; `src/app/config` makes them from the file. */
export interface PortaldOptions {
  /** Where the portal listens, and where clients are sent. */
  readonly address: IpAddress;
  /** The same for clients that come over IPv6; without it they are sent to the address they reached. */
  readonly address6?: IpAddress;
  /** 1 to 65535; the firewall redirects port 80 to it. */
  readonly port: number;
  /** Host names (`portal.example`, `localhost:8080`) under which the portal is itself as well. */
  readonly names?: readonly string[];
  /** Shown on every page. */
  readonly title: string;
  /** Sessions are closed after so long without traffic; 0 is never. */
  readonly idle: Duration;
  /** Sessions are closed so long after the login; 0 is never. */
  readonly session: Duration;
  /** Sessions are closed after so many bytes, up and down together; 0 is no limit. */
  readonly quotaBytes: number;
  /** Who counts the clients' bytes: the firewall's sets, or packet scripts in the kernel, whom packetd runs. */
  readonly accounting: "firewall" | "packet-script";
  /** How often the counters are read. */
  readonly pollInterval: Duration;
  /** Sessions at once; one more client is told that the network is full. */
  readonly sessionCountMax: number;
  /** How long listeners and the firewall may take to answer a client's click. */
  readonly decisionTimeout: Duration;
}

/** What is taken when the operator says nothing. */
export const PORTALD_DEFAULTS: Omit<PortaldOptions, "address" | "address6" | "names"> = {
  port: 5280,
  title: "Welcome",
  idle: minutes(10),
  session: hours(12),
  quotaBytes: 0,
  accounting: "firewall",
  pollInterval: seconds(5),
  sessionCountMax: 20_000,
  decisionTimeout: seconds(5),
};

/** The options with what was left out filled in. */
export function portaldOptions(
  given: Pick<PortaldOptions, "address"> & Partial<PortaldOptions>,
): PortaldOptions {
  return { ...PORTALD_DEFAULTS, ...given };
}
