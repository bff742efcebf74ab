/**
 * Open flows as a table that is made again and again, and drawn over the one before.
 * @module
 */
import type { WatchedFlow, WatchSnapshot } from "../flow/watch-lane.ts";
import { formatBytes } from "./columns.ts";
import { type Cell, formatTable, warnAbove0 } from "./table.ts";

const HEADINGS = [
  "PROTO",
  "CLIENT",
  "STATE",
  "SERVER",
  "STATE",
  "PACKETS",
  "BYTES",
  "BYTES/S",
  "AGAIN",
  "AGE",
  "IDLE",
];

export interface FlowTableStyle {
  readonly width: number | undefined;
  readonly colour: boolean;
}

/** The lines of the table, headings first. */
export function flowTable(flows: readonly WatchedFlow[], style: FlowTableStyle): string[] {
  return formatTable(HEADINGS, flows.map(rowOf), style);
}

function rowOf(flow: WatchedFlow): Cell[] {
  const { protocol, client, clientState, server, serverState } = flow;
  return [
    protocol,
    client,
    clientState || "-",
    server,
    serverState || "-",
    flow.packets,
    formatBytes(flow.bytes),
    formatBytes(flow.bytesPerSecond),
    warnAbove0(flow.retransmissions),
    formatAge(flow.age),
    formatAge(flow.idle),
  ];
}

/** `3.2s`, `4m10s`, `2h05m`. */
export function formatAge(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const minutes = Math.floor(seconds / 60);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  if (minutes < 60) return `${minutes}m${two(seconds % 60)}s`;
  return `${Math.floor(minutes / 60)}h${two(minutes % 60)}m`;
}

/** What is said above the table: two lines about all flows. */
export function* watchLines(
  snapshot: WatchSnapshot,
  before: WatchSnapshot | undefined,
  lostCount: number,
): Iterable<string> {
  const { statistics, states, bytes, time } = snapshot;
  const number = (count: number): string => count.toLocaleString("en");
  const seconds = before === undefined ? 0 : (time - before.time) / 1000;
  const rate = (now: number, then: number): number => (seconds > 0 ? Math.max(0, now - then) / seconds : 0);
  const packets = Math.round(rate(statistics.frames, before?.statistics.frames ?? 0));
  const parts = [
    `${number(statistics.flows)} flows open of ${number(statistics.flowsSeen)}`,
    `${number(packets)} packets/s`,
    `${formatBytes(rate(bytes, before?.bytes ?? 0))}/s`,
  ];
  if (lostCount > 0) parts.push(`${number(lostCount)} packets lost`);
  yield parts.join(", ");
  const tcp = Object.entries(states).sort(([, one], [, two]) => two - one);
  if (tcp.length > 0) yield tcp.map(([name, count]) => `${number(count)} ${name}`).join(", ");
}
