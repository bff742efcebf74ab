/**
 * Which link is meant: an interface of this network namespace, `NAMESPACE:INTERFACE`, `HOST:INTERFACE` of a running
 * lab, or one of the lab's own names for its links.
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { labEnvironment } from "./command-line.ts";
import { type LabNamespace, labNamespaces } from "./leftovers.ts";

/** One end of a link: what leaves by it is impaired. */
export interface LinkEnd {
  /** The name below /run/netns; `undefined` is where we are. */
  readonly namespace: string | undefined;
  readonly name: string;
  readonly index: number;
  /** The bridge whose port it is. */
  readonly bridge: Bridge | undefined;
  /** What a packet has in front of its IP header on this link. */
  readonly headerBytes: number;
  readonly mtuBytes: number;
}

export interface Bridge {
  readonly name: string;
  /** Whether IPv4 and IPv6 that cross it pass the IP hooks as well (br_netfilter). */
  readonly callsIp: boolean;
}

/** The link is not there. */
export class NoSuchLinkError extends ConfigurationError {
  override readonly code: string = "no-such-link";
}

const NAMESPACES = "/run/netns";
const ETHERNET_HEADER_BYTES = 14;

/** The lab's links by the names of `README.md`, as host and interface; the end that is nearer to the gateway. */
const LAB_LINKS: ReadonlyMap<string, readonly [host: string, device: string]> = new Map([
  ["wan", ["gateway", "wan0"]],
  ["lan", ["gateway", "lan0"]],
  ["internet", ["internet", "wan0"]],
]);

/**
 * Finds the link of a command line.
 * @throws NoSuchLinkError with the names that there are; UnavailableError when `ip` cannot tell.
 */
export function findLink(text: string): LinkEnd {
  const [first, device, ...more] = text.split(":");
  if (first === undefined || first === "" || device === "" || more.length > 0) {
    throw new NoSuchLinkError(`Cannot find the link '${text}': wanted INTERFACE or NAMESPACE:INTERFACE`);
  }
  if (device !== undefined) return interfaceOf(text, namespaceOf(text, first), device);
  const own = readLinks(undefined);
  const here = own.find(({ name }) => name === first);
  if (here) return here;
  const [host, end] = LAB_LINKS.get(first) ?? [first, "eth0"];
  const [found, another] = labNamespaces().filter((each) => each.host === host);
  if (another) throw ambiguous(text, host, end);
  if (found) return interfaceOf(text, found.namespace, end);
  throw unknownLink(
    text,
    `no interface of this network namespace (${names(own)}) and no link of a running lab`,
  );
}

function interfaceOf(text: string, namespace: string, device: string): LinkEnd {
  const links = readLinks(namespace);
  const found = links.find(({ name }) => name === device);
  if (found) return found;
  throw unknownLink(text, `${namespace} has ${names(links)}`);
}

function namespaceOf(text: string, name: string): string {
  if (/^[\w.-]+$/.test(name) && existsSync(join(NAMESPACES, name))) return name;
  const [found, another] = labNamespaces().filter(({ host }) => host === name);
  if (another) throw ambiguous(text, name, text.slice(name.length + 1));
  if (found) return found.namespace;
  throw unknownLink(
    text,
    `no network namespace '${name}' (\`ip netns list\`), and no machine of a running lab`,
  );
}

function ambiguous(text: string, host: string, device: string): NoSuchLinkError {
  const all = labNamespaces().filter((each) => each.host === host);
  const said = all.map(({ namespace }) => `${namespace}:${device}`).join(" or ");
  return new NoSuchLinkError(`Cannot find the link '${text}': several labs run; say ${said}`);
}

function unknownLink(text: string, seen: string): NoSuchLinkError {
  const labs = labNamespaces();
  const fix = labs.length === 0 ? "" : `. The lab has ${labLinks(labs).join(", ")}`;
  return new NoSuchLinkError(`Cannot find the link '${text}': ${seen}${fix}`);
}

/** Every name that {@link findLink} takes for a running lab. */
function labLinks(labs: readonly LabNamespace[]): string[] {
  const hosts = [...new Set(labs.map(({ host }) => host))];
  const named = [...LAB_LINKS].filter(([, [host]]) => hosts.includes(host));
  const taken: readonly string[] = ["gateway", "internet", "switch"];
  const short = named.map(([name, [host, device]]) => `${name} (${host}:${device})`);
  const clients = hosts.filter((host) => !taken.includes(host)).map((host) => `${host} (${host}:eth0)`);
  const ports = labs
    .filter(({ host }) => host === "switch")
    .flatMap(({ namespace }) => readLinks(namespace).filter(({ bridge }) => bridge !== undefined))
    .map(({ name }) => `switch:${name}`);
  return [...short, ...clients, ...ports];
}

/** What `ip -json -details link show` says, as far as it matters here. */
interface IpLink {
  readonly ifname: string;
  readonly ifindex: number;
  readonly link_type: string;
  readonly mtu: number;
  readonly master?: string;
  readonly linkinfo?: {
    readonly info_slave_kind?: string;
    readonly info_data?: { readonly nf_call_iptables?: number; readonly nf_call_ip6tables?: number };
  };
}

function readLinks(namespace: string | undefined): LinkEnd[] {
  const all = askIp(namespace);
  return all.map(({ ifname, ifindex, link_type, mtu, master, linkinfo }): LinkEnd => {
    const isPort = linkinfo?.info_slave_kind === "bridge" && master !== undefined;
    const calls = all.find((other) => other.ifname === master)?.linkinfo?.info_data;
    const callsIp = calls?.nf_call_iptables === 1 && calls.nf_call_ip6tables === 1;
    return {
      namespace,
      name: ifname,
      index: ifindex,
      bridge: isPort ? { name: master, callsIp } : undefined,
      headerBytes: link_type === "ether" || link_type === "loopback" ? ETHERNET_HEADER_BYTES : 0,
      mtuBytes: mtu,
    };
  });
}

/** @throws UnavailableError */
function askIp(namespace: string | undefined): IpLink[] {
  const words = ["-json", "-details", "link", "show"];
  const args = namespace === undefined ? words : ["-n", namespace, ...words];
  try {
    return JSON.parse(
      execFileSync("ip", args, {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: labEnvironment(),
      }),
    );
  } catch (cause) {
    const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
    throw new UnavailableError(`Cannot run ip ${args.join(" ")}: ${said || String(cause)}`, { cause });
  }
}

function names(links: readonly LinkEnd[]): string {
  return links.map(({ name }) => name).join(", ");
}
