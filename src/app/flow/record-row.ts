/**
 * Flows that have ended as rows for people.
 * @module
 */
import { formatInstant, instant } from "#base/time.ts";
import type { ConnectionRecord } from "#flow/record/recorder.ts";

/** What stands above the rows; the number of the flow comes first, from whoever counts. */
export const RECORD_HEADINGS: readonly string[] = [
  "STREAM",
  "START",
  "SECONDS",
  "CLIENT",
  "SERVER",
  "STATE",
  "SENT",
  "RECEIVED",
  "PACKETS",
  "HISTORY",
];

/** The cells behind the first, with tabs between. */
export function rowOf(record: ConnectionRecord): string {
  const { ts, duration, proto, ip_proto, history = "-", orig_pkts, resp_pkts } = record;
  const { orig_bytes, resp_bytes } = record;
  const isNumbered = proto === "tcp" || proto === "udp";
  return [
    formatInstant(instant(ts * 1000)).slice(11, 23),
    duration?.toFixed(3) ?? "-",
    endpoint(record["id.orig_h"], isNumbered ? record["id.orig_p"] : undefined),
    endpoint(record["id.resp_h"], isNumbered ? record["id.resp_p"] : undefined),
    isNumbered ? record.conn_state : protocolText(record, ip_proto),
    orig_bytes ?? "-",
    resp_bytes ?? "-",
    `${orig_pkts}/${resp_pkts}`,
    history,
  ].join("\t");
}

/** `10.0.0.1:80`, `[2001:db8::1]:80`, or the address alone. */
export function endpoint(address: string, port: number | undefined): string {
  if (port === undefined) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

function protocolText(record: ConnectionRecord, number: number): string {
  if (record.proto !== "icmp") return `ip ${number}`;
  return `icmp ${record["id.orig_p"]}/${record["id.resp_p"]}`;
}
