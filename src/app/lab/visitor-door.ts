/**
 * The way from the user's own browser into the lab: loopback ports of the real machine, each joined to a Unix
 * socket in the lab's folder, behind which a relay inside a client's namespace plays that client. Unix sockets are
 * found by path and not by network namespace, which is what makes this cross the border.
 * @module
 */
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UnavailableError } from "#base/errors.ts";

/** What each door leads to: the portal's pages, a web site, and a web proxy for everything. */
export const DOORS = ["portal", "site", "proxy"] as const;
export type Door = (typeof DOORS)[number];
export type DoorPorts = Readonly<Record<Door, number>>;

const FIRST_PORT = 7780;
/** Neighbouring ports that are tried when the first ones are taken. */
const ATTEMPT_COUNT_MAX = 20;

/** How a lab in a user namespace, whose loopback is not the user's, is told the ports opened outside. */
export const PORTS_VARIABLE: string = "METANET_LAB_PORTS";

/** No loopback ports were free. */
export class DoorError extends UnavailableError {
  override readonly code: string = "lab-door";
}

/** The socket of a door; the relay inside makes it. */
export function doorSocket(labId: string, door: Door): string {
  return join(tmpdir(), `metanet-lab-${labId}`, `${door}.sock`);
}

/**
 * Opens the doors on 127.0.0.1; connections are refused politely until the relay inside is there.
 * @throws DoorError when the wished ports, or all that were tried, are taken
 */
export async function openDoors(
  labId: string,
  firstPort: number | undefined,
): Promise<{ ports: DoorPorts; close: () => void }> {
  const start = firstPort ?? FIRST_PORT;
  const attempts = firstPort === undefined ? ATTEMPT_COUNT_MAX : 1;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const first = start + attempt * DOORS.length;
    const servers = await listenAll(labId, first);
    if (!servers) continue;
    const ports = { portal: first, site: first + 1, proxy: first + 2 };
    const close = (): void => {
      for (const server of servers) server.close();
    };
    return { ports, close };
  }
  const last = start + attempts * DOORS.length - 1;
  throw new DoorError(
    `Cannot open ports for your browser: 127.0.0.1:${start} to ${last} are taken. Use --port`,
  );
}

async function listenAll(labId: string, first: number): Promise<Server[] | undefined> {
  const servers: Server[] = [];
  for (const [index, door] of DOORS.entries()) {
    const server = await listen(doorSocket(labId, door), first + index);
    if (!server) {
      for (const other of servers) other.close();
      return undefined;
    }
    servers.push(server);
  }
  return servers;
}

function listen(socket: string, port: number): Promise<Server | undefined> {
  const { promise, resolve } = Promise.withResolvers<Server | undefined>();
  const server = createServer((outside) => {
    const inside = connect(socket);
    inside.on("error", () => outside.destroy());
    outside.on("error", () => inside.destroy());
    inside.on("close", () => outside.destroy());
    outside.on("close", () => inside.destroy());
    outside.pipe(inside).pipe(outside);
  });
  server.once("error", () => resolve(undefined));
  server.listen(port, "127.0.0.1", () => resolve(server));
  return promise;
}
