/**
 * Offers the mailboxes of `contract/system.ts` on a bus.
 * @module
 */
import { ip } from "#base/ip-address.ts";
import { milliseconds } from "#base/time.ts";
import { system } from "#contract/system.ts";
import type { HttpServers } from "#io/http-server.ts";
import type { StreamTransport } from "#io/stream.ts";
import type { Bus } from "#mailbox/bus.ts";
import { answer } from "#mailbox/verdict.ts";
import { makeHttpServer } from "./http-server-object.ts";
import { ObjectTable } from "./object-table.ts";
import { makeSocket } from "./socket-object.ts";
import { makeTimer } from "./timer-object.ts";

export interface SystemOptions {
  readonly bus: Bus;
  readonly http: HttpServers;
  readonly streams: StreamTransport;
  /** Objects at once; `OBJECT_COUNT_MAX` when absent. */
  readonly objectCountMax?: number;
}

/** Every IPv4 address, as in the paper. */
const ANYWHERE = ip("0.0.0.0");

/** Makes `/system/…/new`; the answer holds what has been made. */
export function offerSystem({ bus, http, streams, objectCountMax }: SystemOptions): ObjectTable {
  const table = new ObjectTable(bus, objectCountMax);
  bus.offer(system);
  void bus.provide("/system/http/server/new", async (message) => {
    const wanted = {
      name: message.get("name") ?? "",
      address: message.get("address") ?? ANYWHERE,
      port: message.get("port") ?? 0,
    };
    return answer({ ...(await makeHttpServer(table, http, wanted)) });
  });
  void bus.provide("/system/timer/new", (message) => {
    const interval = milliseconds(message.get("interval") ?? 0);
    makeTimer(table, { name: message.get("name") ?? "", interval, repeat: message.get("repeat") ?? false });
    return answer();
  });
  void bus.provide("/system/socket/new", (message) => {
    makeSocket(table, streams, message.get("name") ?? "");
    return answer();
  });
  return table;
}
