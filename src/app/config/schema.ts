/**
 * The configuration file as a schema: which keys there are, of which kind, what they mean, and what stands for a
 * key that is left out. The JSON schema for editors comes from it.
 * @module
 */
import { z } from "zod";
import type { IpAddress, IpPrefix } from "#base/ip-address.ts";
import type { Duration } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import { dhcpOptions } from "./dhcp-option.ts";
import * as kind from "./kinds.ts";

/** The broker: who may pass from the inside to the outside. */
export interface FirewallSection {
  readonly inside: string;
  readonly outside: string;
  readonly "portal-port"?: number | undefined;
  readonly "api-port"?: number | undefined;
  readonly "timeout-max"?: Duration | undefined;
  readonly masquerade: boolean;
  readonly masquerade6: boolean;
  readonly prefixes: readonly IpPrefix[];
  readonly resolvers: readonly IpAddress[];
  readonly marks: readonly number[];
}

const firewall: z.ZodType<FirewallSection> = z
  .strictObject({
    inside: kind.interfaceName.describe("Interface of the clients"),
    outside: kind.interfaceName.describe("Interface towards the outside"),
    "portal-port": kind.port
      .optional()
      .describe("TCP port that plain HTTP of clients without a permit goes to; portald's port when left out"),
    "api-port": kind.port
      .optional()
      .describe("TCP port of a portal's API over TLS (RFC 8908) that clients may reach before they log in"),
    "timeout-max": kind.duration
      .optional()
      .describe("The longest time a permit may ask for; 24h or portald's session, the longer, when left out"),
    masquerade: kind.flag.prefault(true).describe("Whether clients leave with the outside's IPv4 address"),
    masquerade6: kind.flag.prefault(false).describe("The same for IPv6"),
    prefixes: z
      .array(kind.anyPrefix)
      .prefault([])
      .describe("The clients' networks; packets from other addresses are dropped. Any when empty"),
    resolvers: z
      .array(kind.address)
      .prefault([])
      .describe("Name servers outside that clients may ask before they log in"),
    marks: z.array(kind.whole(1, 0xffff_ffff)).prefault([1]).describe("Marks that a permit may ask for"),
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
  readonly "captive-portal"?: string | undefined;
  readonly lease: Duration;
  readonly "lease-min"?: Duration | undefined;
  readonly "lease-max"?: Duration | undefined;
  readonly "leases-max"?: number | undefined;
  readonly "offer-hold": Duration;
  readonly quarantine: Duration;
  readonly options?: Readonly<Record<string, Value>> | undefined;
  readonly authoritative: boolean;
  readonly "lookup-deadline": Duration;
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
    "captive-portal": kind.webAddress
      .optional()
      .describe(
        "URI of a portal's API over HTTPS (option 114, RFC 8910); portald's own is not, so not that one",
      ),
    options: dhcpOptions.optional().describe("More options by name, such as ntp-servers, or option-N"),
    lease: kind.duration.prefault("1h").describe("How long an address is given for (option 51)"),
    "lease-min": kind.duration
      .optional()
      .describe("The least a client may ask for; 1m or lease, the shorter, when left out"),
    "leases-max": kind
      .whole(1, 2 ** 24 - 1)
      .optional()
      .describe("Leases kept at the most, ended ones included"),
    "offer-hold": kind.duration.prefault("30s").describe("How long an offered address is held"),
    quarantine: kind.duration
      .prefault("1h")
      .describe("How long an address that was found in use is given to nobody"),
    "lease-max": kind.duration.optional().describe("The most a client may ask for; lease when left out"),
    authoritative: kind.flag.prefault(true).describe("Whether there is no other DHCP server on the network"),
    "lookup-deadline": kind.duration
      .prefault("500ms")
      .describe("How long listeners may take to choose an address before the pool does"),
  })
  .describe("The DHCPv4 server");

/** The captive portal. */
export interface PortaldSection {
  readonly address: IpAddress;
  readonly address6?: IpAddress | undefined;
  readonly port: number;
  readonly names: readonly string[];
  readonly idle: Duration;
  readonly session: Duration;
  readonly quota: number;
  readonly title: string;
  readonly accounting: "firewall" | "packet-script";
  readonly poll: Duration;
  readonly "sessions-max": number;
  readonly "decision-timeout": Duration;
}

const portald: z.ZodType<PortaldSection> = z
  .strictObject({
    address: kind.address.describe("Address the portal is reached at"),
    address6: kind.ip6.optional().describe("The same for clients that come over IPv6"),
    port: kind.port
      .prefault(5280)
      .describe("TCP port of the portal; from 1024, as it runs without root's powers"),
    names: z
      .array(kind.hostName)
      .prefault([])
      .describe("Host names under which the portal is reached as well"),
    idle: kind.duration.prefault("10m").describe("Logout after so long without traffic"),
    session: kind.duration.prefault("12h").describe("Logout after so long in any case"),
    quota: kind.size.prefault(0).describe("Logout after so many bytes up and down together; 0 is no limit"),
    title: kind.title.prefault("Welcome").describe("The network's name, on every page"),
    accounting: kind
      .word(["firewall", "packet-script"])
      .prefault("firewall")
      .describe(
        "Who counts the clients' bytes: the firewall, or packet scripts in the kernel, run by packetd",
      ),
    poll: kind.duration.prefault("5s").describe("How often the byte counters are read"),
    "sessions-max": kind
      .whole(1, 65_536)
      .prefault(20_000)
      .describe("Sessions at once; further clients are told that the network is full"),
    "decision-timeout": kind.duration
      .prefault("5s")
      .describe("How long listeners and the firewall may take over a click"),
  })
  .describe("The captive portal");

/** A packet script that is loaded at every start. */
export interface ScriptSection {
  readonly file: string;
  readonly function: string;
  readonly hook: (typeof HOOKS)[number];
  readonly family: (typeof FAMILIES)[number];
  readonly in?: string | undefined;
  readonly out?: string | undefined;
  readonly match?: string | undefined;
  readonly isolate?: string | undefined;
  readonly "on-error": "drop" | "accept";
  readonly queues: number;
  readonly deadline: Duration;
  readonly "time-limit": Duration;
  readonly seed?: number | undefined;
  readonly engine: (typeof ENGINES)[number];
  readonly pin: boolean;
}

const HOOKS = [
  "prerouting",
  "input",
  "forward",
  "output",
  "postrouting",
  "ingress",
  "egress",
  "xdp",
] as const;
const ENGINES = ["auto", "kernel", "user"] as const;
const FAMILIES = ["inet", "ip", "ip6", "bridge"] as const;

const script: z.ZodType<ScriptSection> = z.strictObject({
  file: kind.scriptFile.describe("Module of the script; the services' user must be able to read it"),
  function: kind.functionName.describe("Exported function that is run"),
  hook: kind
    .word(HOOKS)
    .describe("Where it gets its packets; ingress, egress and xdp are those of an interface, in the kernel"),
  family: kind.word(FAMILIES).prefault("inet").describe("Which packets there are; inet is IPv4 and IPv6"),
  in: kind.interfacePattern
    .optional()
    .describe("Only packets that came in by this interface; all when left out"),
  out: kind.interfacePattern
    .optional()
    .describe("Only packets that leave by this interface; all when left out"),
  match: kind.match.optional().describe("Only these packets, in nft's language; all when left out"),
  isolate: kind.name
    .optional()
    .describe("Scripts of one isolate share their modules' variables; the script's own when left out"),
  "on-error": kind
    .word(["drop", "accept"])
    .prefault("drop")
    .describe("What becomes of a packet whose script fails, is too slow, or is not there"),
  queues: kind.whole(1, 64).prefault(1).describe("Queues, each with an isolate of its own"),
  deadline: kind.duration.prefault("2s").describe("How long a verdict that comes later is waited for"),
  "time-limit": kind.duration.prefault("500ms").describe("How long one packet may keep the isolate busy"),
  seed: kind.whole(0, 0xffff_ffff).optional().describe("For context.random; a random one when left out"),
  engine: kind
    .word(ENGINES)
    .prefault("auto")
    .describe("Where it runs: in the kernel, in user space, or in the kernel when it is the same there"),
  pin: kind.flag
    .prefault(false)
    .describe("Let a program in the kernel stay when packetd ends, also by kill -9"),
});

/** Packet scripts. */
export interface PacketdSection {
  readonly "reads-all": boolean;
  readonly scripts: Readonly<Record<string, ScriptSection>>;
}

const packetd: z.ZodType<PacketdSection> = z
  .strictObject({
    "reads-all": kind.flag
      .prefault(false)
      .describe(
        "Keep CAP_DAC_READ_SEARCH: scripts may lie where only root looks, and may read all that root may",
      ),
    scripts: z
      .record(z.string(), script)
      .prefault({})
      .describe("Packet scripts that are loaded at every start, by their names, in this order at a hook"),
  })
  .describe("Packet scripts: functions in TypeScript that decide what becomes of packets");

/** For mailboxes such as `dhcpd:/dhcpd/lookup`, listeners of other processes with the band they get. */
export type OrderSection = Readonly<Record<string, Readonly<Record<string, number | "never">>>>;

const order: z.ZodType<OrderSection> = z
  .record(z.string(), z.record(z.string(), kind.band))
  .describe(
    "For a service's mailbox, listeners of other processes (process/label, process/*, a label, or * for everybody " +
      "else) and the band they get whatever they ask for, or never",
  );

/** Who has a right: users and groups, by name or by number as text. */
export interface Grant {
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** For mailboxes and all below them, such as `dhcpd:/dhcpd`, who else may do what. */
export type RightsSection = Readonly<
  Record<
    string,
    {
      readonly send?: Grant | undefined;
      readonly observe?: Grant | undefined;
      readonly intercept?: Grant | undefined;
    }
  >
>;

const grant: z.ZodType<Grant> = z.strictObject({
  users: z.array(kind.account).prefault([]).describe("Users by name or number"),
  groups: z.array(kind.account).prefault([]).describe("Groups by name or number"),
});

const rights: z.ZodType<RightsSection> = z
  .record(
    z.string(),
    z.strictObject({
      send: grant.optional().describe("Who may send and call"),
      observe: grant.optional().describe("Who may get copies"),
      intercept: grant
        .optional()
        .describe("Who may stand in front: worth as much as the service's own account"),
    }),
  )
  .describe("For a service's mailbox and all below it, or /PATH in every service, what other users may do");

/** The least level of messages that are logged. */
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** What the file says. A service runs when its section is there. */
export interface Sections {
  readonly name: string;
  readonly run?: string | undefined;
  readonly state: string;
  readonly user: string;
  readonly log: LogLevel;
  readonly firewall?: FirewallSection | undefined;
  readonly dhcpd?: DhcpdSection | undefined;
  readonly portald?: PortaldSection | undefined;
  readonly packetd?: PacketdSection | undefined;
  readonly order?: OrderSection | undefined;
  readonly rights?: RightsSection | undefined;
}

/** The whole file, and where its rules are written. */
export interface Configuration extends Sections {
  /** `FILE:LINE` of each rule of `order`, by its key: `order.dhcpd:/dhcpd/lookup.glue/ldap`. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Reads what YAML gives into {@link Sections}. */
export const schema: z.ZodType<Sections> = z.strictObject({
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
  packetd: packetd.optional(),
  order: order.optional(),
  rights: rights.optional(),
});

/** The keys that may stand below a path; empty where there is no block of keys. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  const shape = path.reduce<z.core.$ZodType | undefined>((at, step) => {
    const block = at === undefined ? undefined : unwrap(at);
    return block instanceof z.ZodRecord ? block.valueType : block?.shape[String(step)];
  }, schema);
  const block = shape === undefined ? undefined : unwrap(shape);
  return block instanceof z.ZodObject ? Object.keys(block.shape) : [];
}

/** A block of known keys, or one whose keys the operator chooses. */
function unwrap(type: z.core.$ZodType): z.ZodObject | z.ZodRecord | undefined {
  if (type instanceof z.ZodObject || type instanceof z.ZodRecord) return type;
  const isWrapped = type instanceof z.ZodOptional || type instanceof z.ZodPrefault;
  return isWrapped ? unwrap(type.unwrap()) : undefined;
}
