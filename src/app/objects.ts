/**
 * The objects of the MetaNet paper (§4, §9) for every program: sockets, HTTP servers and timers of this machine as
 * mailboxes of a process on the bus.
 * @module
 */
import { LinuxHttpServers } from "#linux/http-server.ts";
import { LinuxStreamTransport } from "#linux/stream.ts";
import type { Bus } from "#mailbox/bus.ts";
import { offerSystem } from "#object/system.ts";

/** What a process offers; `close` ends every object with its connections, servers and timers. */
export interface Objects {
  /** Objects that there are now, connections of bound sockets included. */
  readonly count: number;
  close(): void;
}

/** Makes `/system/socket/new`, `/system/http/server/new` and `/system/timer/new` in this process. */
export function offerObjects(bus: Bus): Objects {
  return offerSystem({ bus, http: new LinuxHttpServers(), streams: new LinuxStreamTransport() });
}
