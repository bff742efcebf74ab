/**
 * What one key alone cannot tell: pools inside their subnets, ports used once, sections that need each other.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import { checkAccess } from "./access.ts";
import { checkScripts } from "./check-scripts.ts";
import type { Path } from "./positions.ts";
import type { Configuration, DhcpdSection } from "./schema.ts";

/** Ports below take root's powers to open (ip(7), net.ipv4.ip_unprivileged_port_start). */
const UNPRIVILEGED_PORT_MIN = 1024;

export interface Contradiction {
  readonly path: Path;
  readonly seen: string;
  readonly fix: string;
}

/** Everything that contradicts itself in a configuration whose keys are right one by one. */
export function checkAcross(configuration: Configuration): Contradiction[] {
  return [
    ...checkSections(configuration),
    ...(configuration.dhcpd ? checkDhcpd(configuration.dhcpd) : []),
    ...checkInterfacesAgree(configuration),
    ...checkPorts(configuration),
    ...checkTimes(configuration),
    ...(configuration.packetd ? checkScripts(configuration.packetd) : []),
    ...checkAccess(configuration),
  ];
}

/** Interfaces named in the configuration which the machine does not have; checked only when services start. */
export function checkInterfaces(configuration: Configuration, existing: readonly string[]): Contradiction[] {
  const named: [Path, string | undefined][] = [
    [["firewall", "inside"], configuration.firewall?.inside],
    [["firewall", "outside"], configuration.firewall?.outside],
    [["dhcpd", "interface"], configuration.dhcpd?.interface],
  ];
  const fix = `use one of ${existing.join(", ")}, or make it first with \`ip link add\``;
  return named.flatMap(([path, name]) =>
    name === undefined || existing.includes(name)
      ? []
      : [{ path, seen: `this machine has no interface ${name}`, fix }],
  );
}

function checkSections(configuration: Configuration): Contradiction[] {
  const { firewall, dhcpd, portald, packetd } = configuration;
  if (!firewall && !dhcpd && !portald && !packetd) {
    const fix = "add a section firewall, dhcpd, portald or packetd";
    return [{ path: [], seen: "no service is configured", fix }];
  }
  if (portald && !firewall) {
    const seen = "nobody would open the door: there is no firewall section";
    return [{ path: ["portald"], seen, fix: "add firewall: { inside: …, outside: … }" }];
  }
  if (portald?.accounting === "packet-script" && !packetd) {
    const seen = "nobody would run the scripts that count: there is no packetd section";
    return [{ path: ["portald", "accounting"], seen, fix: "add packetd: {}" }];
  }
  return [];
}

function checkDhcpd(dhcpd: DhcpdSection): Contradiction[] {
  const found: Contradiction[] = [];
  const { subnet, server, pool } = dhcpd;
  const inside = (path: Path, address: IpAddress): void => {
    if (!subnet.contains(address)) {
      found.push({
        path,
        seen: `${address} is outside the subnet ${subnet}`,
        fix: "change it or dhcpd.subnet",
      });
    }
  };
  inside(["dhcpd", "server"], server);
  inside(["dhcpd", "pool", 0], pool.first);
  inside(["dhcpd", "pool", 1], pool.last);
  for (const [index, router] of (dhcpd.routers ?? []).entries()) inside(["dhcpd", "routers", index], router);
  if (isWithin(server, pool)) {
    const seen = `the server's own address ${server} is in it`;
    found.push({ path: ["dhcpd", "pool"], seen, fix: "begin the pool behind it" });
  }
  const most = dhcpd["lease-max"];
  if (most !== undefined && most < dhcpd.lease) {
    const seen = `it is less than dhcpd.lease`;
    found.push({ path: ["dhcpd", "lease-max"], seen, fix: "leave it out, or make it longer" });
  }
  const least = dhcpd["lease-min"];
  if (least !== undefined && least > dhcpd.lease) {
    found.push({
      path: ["dhcpd", "lease-min"],
      seen: "it is more than dhcpd.lease",
      fix: "leave it out, or make it shorter",
    });
  }
  for (const key of ["lease", "lease-min", "offer-hold", "lookup-deadline"] as const) {
    if ((dhcpd[key] ?? 1) <= 0)
      found.push({ path: ["dhcpd", key], seen: "it is no time at all", fix: "make it longer" });
  }
  found.push(...checkReserved(dhcpd));
  return found;
}

/** RFC 1122 §3.2.1.3: all bits zero and all bits one behind the prefix are not addresses of hosts. */
function checkReserved({ subnet, pool }: DhcpdSection): Contradiction[] {
  if (subnet.lengthBits >= 31) return [];
  const network = subnet.address.toUint32();
  const broadcast = network + 2 ** (32 - subnet.lengthBits) - 1;
  const found: Contradiction[] = [];
  if (pool.first.toUint32() === network) {
    found.push({
      path: ["dhcpd", "pool", 0],
      seen: `${pool.first} is the network itself`,
      fix: "begin one higher",
    });
  }
  if (pool.last.toUint32() === broadcast) {
    found.push({
      path: ["dhcpd", "pool", 1],
      seen: `${pool.last} is the broadcast address`,
      fix: "end one lower",
    });
  }
  return found;
}

function isWithin(address: IpAddress, range: { first: IpAddress; last: IpAddress }): boolean {
  const value = address.toUint32();
  return value >= range.first.toUint32() && value <= range.last.toUint32();
}

function checkInterfacesAgree({ firewall, dhcpd }: Configuration): Contradiction[] {
  if (firewall && firewall.inside === firewall.outside) {
    const seen = `${firewall.outside} is the inside as well`;
    return [{ path: ["firewall", "outside"], seen, fix: "name two interfaces" }];
  }
  if (firewall && dhcpd && dhcpd.interface === firewall.outside) {
    const seen = `${dhcpd.interface} is the outside: strangers would get leases`;
    return [{ path: ["dhcpd", "interface"], seen, fix: `use ${firewall.inside}` }];
  }
  return [];
}

function checkTimes({ firewall, portald }: Configuration): Contradiction[] {
  const found: Contradiction[] = [];
  const most = firewall?.["timeout-max"];
  if (portald && most !== undefined && most < portald.session) {
    const seen = "it is less than portald.session: the firewall would let nobody in";
    found.push({ path: ["firewall", "timeout-max"], seen, fix: "leave it out, or make it longer" });
  }
  for (const key of ["poll", "decision-timeout"] as const) {
    if (portald && portald[key] <= 0)
      found.push({ path: ["portald", key], seen: "it is no time at all", fix: "make it longer" });
  }
  return found;
}

function checkPorts({ firewall, portald }: Configuration): Contradiction[] {
  if (portald && portald.port < UNPRIVILEGED_PORT_MIN) {
    const seen = `${portald.port} needs root's powers, which the portal does not have`;
    return [{ path: ["portald", "port"], seen, fix: "use 5280; the firewall sends port 80 there" }];
  }
  const wanted = firewall?.["portal-port"];
  if (portald && wanted !== undefined && wanted !== portald.port) {
    const seen = `${wanted} is not portald's port ${portald.port}: nobody would see the portal`;
    return [{ path: ["firewall", "portal-port"], seen, fix: "leave it out, or change portald.port" }];
  }
  return [];
}
