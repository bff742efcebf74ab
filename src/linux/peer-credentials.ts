/**
 * Who is at the other end of a Unix socket: SO_PEERCRED and SO_PEERGROUPS of unix(7), through the addon.
 * @module
 */
import type { Socket } from "node:net";
import type { PeerCredentials } from "#io/stream.ts";
import { native, nativeProblem } from "./native.ts";
import { SO_PEERCRED, SO_PEERGROUPS, SOL_SOCKET } from "./socket-constants.ts";

/** Supplementary groups that a process can have (NGROUPS_MAX, credentials(7)), and how many are tried first. */
const GROUP_COUNTS = [64, 65_536] as const;
const GID_BYTES = 4;
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
  return { pid, uid, gid, groups: peerGroups(fd) };
}

/** None where the kernel does not tell: rights then go by the primary group alone. */
function peerGroups(fd: number): readonly number[] {
  for (const count of GROUP_COUNTS) {
    const list = new Uint8Array(count * GID_BYTES);
    try {
      const length = native().getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list);
      return [...new Uint32Array(list.buffer, 0, length / GID_BYTES)];
    } catch {
      // ERANGE: there are more of them; ENOPROTOOPT: the kernel is too old.
    }
  }
  return [];
}
