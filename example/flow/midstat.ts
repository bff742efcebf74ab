/**
 * netstat for a middlebox: the TCP connections that pass, with the states of both ends as their packets tell them.
 * `midstat` prints a table each second, `changes` a line for each change of a state.
 *
 * @module
 */
import {
  type Duration,
  type Flow,
  type FlowEnd,
  type FlowEngine,
  type Side,
  seconds,
  type TcpState,
} from "metanet/flow";
import { formatTable, nameOf, printLine, showAfter, timeOfDay } from "./text.ts";

/** How often, and how many connections at most, those that were active last. */
const PERIOD: Duration = seconds(1);
const ROW_COUNT_MAX = 40;

export interface MidstatOptions {
  readonly print?: (line: string) => void;
}

const HEADINGS = ["Client", "State", "Sent", "Server", "State", "Sent", "Packets", "Idle s"];

/** A table each second in which anything happened; and how every connection ended. */
export function midstat(engine: FlowEngine, { print = printLine }: MidstatOptions = {}): void {
  const monitor = engine.monitor<"followed">({ name: "midstat", filter: "tcp" });
  const connections = new Set<Flow<"followed">>();
  let startCount = 0;
  let endCount = 0;

  function showTable(): void {
    const flows = [...connections].sort((a, b) => b.lastSeen - a.lastSeen);
    const now = flows[0]?.lastSeen;
    print(`${flows.length} connections, ${startCount} began, ${endCount} ended`);
    startCount = 0;
    endCount = 0;
    if (now === undefined) return;
    const rows = flows.slice(0, ROW_COUNT_MAX).map(({ client, server, lastSeen }) => {
      const packets = String(client.packetCount + server.packetCount);
      return [...cells(client), ...cells(server), packets, ((now - lastSeen) / 1000).toFixed(1)];
    });
    for (const line of formatTable(HEADINGS, rows)) print(line);
    if (flows.length > ROW_COUNT_MAX) print(`… and ${flows.length - ROW_COUNT_MAX} more`);
  }

  monitor.on("packet", "sender", showAfter(monitor, PERIOD, showTable));
  monitor.on("connectionStart", "sender", (flow) => {
    flow.context = "followed";
    connections.add(flow);
    startCount++;
  });
  monitor.on("connectionEnd", "none", (flow, { reason, now }) => {
    connections.delete(flow);
    endCount++;
    const { client, server } = flow;
    const duration = ((flow.lastSeen - flow.firstSeen) / 1000).toFixed(3);
    const bytes = `${client.sentBytes} and ${server.sentBytes} bytes`;
    print(
      `${timeOfDay(now)} ${nameOf(client)} -- ${nameOf(server)} ended: ${reason}, ${bytes}, ${duration} s`,
    );
  });
}

/** A line for each change of a state, of the end that changes, at the moment at which a stack of its own would. */
export function changes(engine: FlowEngine, { print = printLine }: MidstatOptions = {}): void {
  const monitor = engine.monitor({ name: "changes", filter: "tcp" });
  const tell = (
    { client, server }: Flow,
    { now, end, from, to }: { now: number; end: Side; from: TcpState; to: TcpState },
  ) => print(`${timeOfDay(now)} ${nameOf(client)} -- ${nameOf(server)} ${end}: ${from} -> ${to}`);
  // What an end sends moves it at once, what it receives once it has arrived there.
  monitor.on("stateChange", "sender", tell);
  monitor.on("stateChange", "receiver", tell);
}

function cells(end: FlowEnd): string[] {
  return [nameOf(end), end.state, String(end.sentBytes)];
}
