/**
 * A stateful firewall after mOS's simple_firewall: rules say who may open connections to whom. The first packet of
 * a flow decides; what belongs to a flow that was let in passes in both directions, and all else is dropped.
 *
 * @module
 */
import { BlockList } from "node:net";
import { type Duration, defineEvent, type Flow, type FlowEngine, IpProtocol, seconds } from "metanet/flow";
import { formatTable, nameOf, printLine, showAfter, timeOfDay } from "./text.ts";

/**
 * What is done, the protocol, who with which port opens flows to whom at which port; `<->`: or the other way round.
 * The first rule that fits counts; where none does, the flow is dropped.
 */
export const RULES: readonly string[] = [
  "drop   tcp   any                any  ->  any           23",
  "accept tcp   10.91.1.0/24       any  ->  10.91.2.0/24  80-89",
  "accept tcp   10.0.0.0/8         any  ->  any           443",
  "accept udp   any                any  ->  any           53",
  "accept icmp  any                any  <-> any           any",
  "accept icmp6 any                any  <-> any           any",
];

export interface FirewallOptions {
  readonly print?: (line: string) => void;
  readonly rules?: readonly string[];
  /**
   * TCP flows whose SYN was not seen, such as all that were there before: dropped, or asked about like new ones, and
   * cut off where no rule accepts them. Who is their client is a guess then.
   */
  readonly midstream?: "drop" | "judge";
  /** How often the rules' counts are printed while they change. */
  readonly period?: Duration;
}

type End = readonly [hosts: BlockList | undefined, portMin: number, portMax: number];

interface Rule {
  readonly text: string;
  readonly isAccepted: boolean;
  /** `undefined`: any. */
  readonly protocol: number | undefined;
  readonly source: End;
  readonly target: End;
  readonly isBothWays: boolean;
  flowCount: number;
  /** Of flows that were let in, once they have ended; of others, what was dropped. */
  packetCount: number;
}

const SYN = 2;
const SYN_OR_ACK = 18;

/** Keeps out what the rules do not let in; what it returns prints the rules' counts. */
export function statefulFirewall(
  engine: FlowEngine,
  { print = printLine, rules = RULES, midstream = "judge", period = seconds(10) }: FirewallOptions = {},
): () => void {
  const monitor = engine.monitor<Rule>({ name: "stateful firewall" });
  const table = rules.map(parseRule);
  const noRule = parseRule("drop any any any -> any any");
  const notSeen: Rule = { ...noRule, text: "drop what belongs to no connection" };
  const show = (): void => {
    const rows = [...table, noRule, notSeen].map(({ text, flowCount, packetCount }) => [
      text,
      String(flowCount),
      String(packetCount),
    ]);
    for (const line of formatTable(["Rule", "Flows", "Packets"], rows)) print(line);
  };
  const count = showAfter(monitor, period, show);

  /** The event of a flow's first packet that no rule accepts; its payload is why. */
  const forbidden = defineEvent("connectionStart", (flow: Flow<Rule>) => {
    const rule = isMidstream(flow) && midstream === "drop" ? notSeen : (table.find(fits(flow)) ?? noRule);
    flow.context = rule;
    rule.flowCount++;
    count();
    return rule.isAccepted ? undefined : { rule };
  });

  monitor.on(forbidden, "sender", (flow, { now, payload: { rule } }) => {
    print(`${timeOfDay(now)} ${nameOf(flow.client)} -> ${nameOf(flow.server)}: ${rule.text}`);
    rule.packetCount++;
    flow.drop();
    // Only flows that are not let in cost anything from here on.
    flow.on("packet", "sender", () => {
      rule.packetCount++;
      count();
      flow.drop();
    });
    // Both ends believe that it stands: they are told that it does not.
    if (isMidstream(flow) && midstream === "judge") flow.reset();
  });
  monitor.on("orphan", "none", () => {
    notSeen.packetCount++;
    count();
    monitor.drop();
  });
  monitor.on("connectionEnd", "none", ({ context, client, server }) => {
    if (context.isAccepted) context.packetCount += client.packetCount + server.packetCount;
    count();
  });

  return show;
}

/** Whether a flow's first packet opens none: of TCP all but a SYN. */
function isMidstream({ protocol, tcpFlags }: Flow<Rule>): boolean {
  return protocol === IpProtocol.tcp && (tcpFlags & SYN_OR_ACK) !== SYN;
}

function fits(flow: Flow<Rule>): (rule: Rule) => boolean {
  const { protocol, version } = flow;
  const { client, server } = flow;
  const family = version === 4 ? "ipv4" : "ipv6";
  const from = [client.address, client.port, family] as const;
  const to = [server.address, server.port, family] as const;
  return (rule) =>
    (rule.protocol === undefined || rule.protocol === protocol) &&
    ((isAt(rule.source, ...from) && isAt(rule.target, ...to)) ||
      (rule.isBothWays && isAt(rule.source, ...to) && isAt(rule.target, ...from)));
}

function isAt([hosts, min, max]: End, address: string, port: number, family: "ipv4" | "ipv6"): boolean {
  return port >= min && port <= max && (hosts?.check(address, family) ?? true);
}

const PROTOCOLS: Readonly<Record<string, number | undefined>> = {
  any: undefined,
  tcp: IpProtocol.tcp,
  udp: IpProtocol.udp,
  icmp: IpProtocol.icmp,
  icmp6: IpProtocol.icmpv6,
};

/** @throws Error when the text is no rule. */
function parseRule(text: string): Rule {
  const words = text.trim().split(/\s+/);
  const [action = "", protocol = "", source = "", sourcePort = "", arrow = "", target = "", targetPort = ""] =
    words;
  const isRule = /^(accept|drop)$/.test(action) && /^<?->$/.test(arrow) && protocol in PROTOCOLS;
  if (words.length !== 7 || !isRule) {
    throw new Error(`Cannot read the rule '${text}': wanted 'accept tcp 10.0.0.0/8 any -> any 80'`);
  }
  return {
    text: words.join(" "),
    isAccepted: action === "accept",
    protocol: PROTOCOLS[protocol],
    source: parseEnd(source, sourcePort, text),
    target: parseEnd(target, targetPort, text),
    isBothWays: arrow === "<->",
    flowCount: 0,
    packetCount: 0,
  };
}

function parseEnd(hosts: string, ports: string, text: string): End {
  const range = /^(\d+)(?:-(\d+))?$/.exec(ports === "any" ? "0-65535" : ports);
  if (range === null)
    throw new Error(`Cannot read the port '${ports}' in '${text}': wanted 80, 80-89 or any`);
  const min = Number(range[1]);
  const max = Number(range[2] ?? min);
  if (hosts === "any") return [undefined, min, max];
  const [address = "", prefix] = hosts.split("/");
  const isIpv6 = address.includes(":");
  const list = new BlockList();
  // Says what is wrong with an address itself.
  list.addSubnet(address, Number(prefix ?? (isIpv6 ? 128 : 32)), isIpv6 ? "ipv6" : "ipv4");
  return [list, min, max];
}
