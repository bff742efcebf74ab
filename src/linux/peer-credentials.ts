/**
 * Who is at the other end of a Unix socket: SO_PEERCRED of unix(7), through the addon.
 * @module
 */
import type { Socket } from "node:net";
import type { PeerCredentials } from "#io/stream.ts";
import { native, nativeProblem } from "./native.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid, four bytes each. */
const UCRED_BYTES = 12;

/** `undefined` without the addon, and when the socket is gone already. */
export function peerCredentials(socket: Socket): PeerCredentials | undefined {
  // Node offers no way to a socket's descriptor but this field; it has been there since Node 0.10.
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  if (fd === undefined || fd < 0 || nativeProblem() !== undefined) return undefined;
  const credentials = new Uint8Array(UCRED_BYTES);
  try {
    native().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials);
  } catch {
    return undefined;
  }
  const [pid = 0, uid = 0, gid = 0] = new Uint32Array(credentials.buffer);
  return { pid, uid, gid };
}
