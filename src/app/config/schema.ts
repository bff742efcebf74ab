/**
 * The configuration file as a schema: which keys there are, of which kind, what they mean, and what stands for a
 * key that is left out. The JSON schema for editors comes from it.
 * @module
 */
import { z } from "zod";
import type { IpAddress, IpPrefix } from "#base/ip-address.ts";
import type { Duration } from "#base/time.ts";
import * as kind from "./kinds.ts";

/** The broker: who may pass from the inside to the outside. */
export interface FirewallSection {
  readonly inside: string;
  readonly outside: string;
  readonly "portal-port"?: number | undefined;
  readonly masquerade: boolean;
}

const firewall: z.ZodType<FirewallSection> = z
  .strictObject({
    inside: kind.interfaceName.describe("Interface of the clients"),
    outside: kind.interfaceName.describe("Interface towards the outside"),
    "portal-port": kind.port
      .optional()
      .describe("TCP port that plain HTTP of clients without a permit goes to; portald's port when left out"),
    masquerade: kind.flag
      .prefault(true)
      .describe("Whether clients leave with the outside interface's address"),
  })
  .describe("The broker: who may pass from the inside to the outside");

/** The DHCPv4 server. */
export interface DhcpdSection {
  readonly interface: string;
  readonly server: IpAddress;
  readonly subnet: IpPrefix;
  readonly pool: kind.AddressRange;
  readonly routers?: readonly IpAddress[] | undefined;
  readonly dns: readonly IpAddress[];
  readonly domain?: string | undefined;
  readonly lease: Duration;
}

const dhcpd: z.ZodType<DhcpdSection> = z
  .strictObject({
    interface: kind.interfaceName.describe("Interface of the clients"),
    server: kind.ip4.describe("Own address on that interface (option 54)"),
    subnet: kind.prefix4.describe("The clients' network (option 1)"),
    pool: kind.range4.describe("First and last address that is given out"),
    routers: z
      .array(kind.ip4)
      .optional()
      .describe("Default routers (option 3); the server itself when left out"),
    dns: z.array(kind.ip4).prefault([]).describe("Name servers (option 6)"),
    domain: kind.domain.optional().describe("Domain of the clients (option 15)"),
    lease: kind.duration.prefault("1h").describe("How long an address is given for (option 51)"),
  })
  .describe("The DHCPv4 server");

/** The captive portal. */
export interface PortaldSection {
  readonly address: IpAddress;
  readonly port: number;
  readonly idle: Duration;
  readonly session: Duration;
  readonly title: string;
}

const portald: z.ZodType<PortaldSection> = z
  .strictObject({
    address: kind.address.describe("Address the portal is reached at"),
    port: kind.port.prefault(5280).describe("TCP port of the portal"),
    idle: kind.duration.prefault("10m").describe("Logout after so long without traffic"),
    session: kind.duration.prefault("12h").describe("Logout after so long in any case"),
    title: kind.title.prefault("Welcome").describe("Heading of the portal's pages"),
  })
  .describe("The captive portal");

/** The least level of messages that are logged. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** The whole file. A service runs when its section is there. */
export interface Configuration {
  readonly name: string;
  readonly run?: string | undefined;
  readonly state: string;
  readonly user: string;
  readonly log: LogLevel;
  readonly firewall?: FirewallSection | undefined;
  readonly dhcpd?: DhcpdSection | undefined;
  readonly portald?: PortaldSection | undefined;
}

/** Reads what YAML gives into a {@link Configuration}. */
export const schema: z.ZodType<Configuration> = z.strictObject({
  name: kind.name.prefault("gateway").describe("This machine's name on the bus"),
  run: kind.folder
    .optional()
    .describe("Folder of sockets; $METANET_RUN, /run/metanet or $XDG_RUNTIME_DIR/metanet when left out"),
  state: kind.folder.prefault("/var/lib/metanet").describe("Folder of what must outlive a restart"),
  user: kind.name.prefault("nobody").describe("User that every service but the broker runs as"),
  log: kind
    .word(["trace", "debug", "info", "warn", "error"])
    .prefault("info")
    .describe("Least level of messages that are logged"),
  firewall: firewall.optional(),
  dhcpd: dhcpd.optional(),
  portald: portald.optional(),
});

/** The keys that may stand below a path; empty where there is no block of keys. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  const shape = path.reduce<z.core.$ZodType | undefined>((at, step) => {
    const object = at === undefined ? undefined : unwrap(at);
    return object?.shape[String(step)];
  }, schema);
  return Object.keys(shape === undefined ? {} : (unwrap(shape)?.shape ?? {}));
}

function unwrap(type: z.core.$ZodType): z.ZodObject | undefined {
  if (type instanceof z.ZodObject) return type;
  return type instanceof z.ZodOptional ? unwrap(type.unwrap()) : undefined;
}
