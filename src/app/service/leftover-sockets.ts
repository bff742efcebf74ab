/**
 * The sockets of services that were killed, or broken off while they started: nobody listens there any more.
 * @module
 */
import { readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { ServiceName } from "../config/service-options.ts";
import { handoverPath } from "./firewall.ts";

/** A socket that is bound and has not got its name yet. */
const NAMELESS = /^\.\d+-\d+$/;

/** Removes the services' sockets from a run directory that we hold, except those that somebody answers at. */
export async function removeLeftoverSockets(run: string, names: readonly ServiceName[]): Promise<void> {
  let nameless: string[];
  try {
    nameless = readdirSync(run).filter((name) => NAMELESS.test(name));
  } catch {
    return; // The folder itself is gone.
  }
  const paths = [...names, ...nameless].map((name) => join(run, name));
  for (const path of [...paths, handoverPath(run)]) if (await isDead(path)) rmSync(path, { force: true });
}

/** Whether a socket file is left that refuses connections. */
function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
