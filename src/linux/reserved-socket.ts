/**
 * A Unix socket that has its name and does not listen yet (unix(7)): made by root in a folder where nobody else may
 * make files, listened at by the user that root becomes. Peers are told the credentials of whoever called listen(2),
 * so a service that has given up root's powers is not taken for root.
 * @module
 */
import type { ListenOptions } from "#io/stream.ts";
import { native } from "./native.ts";
import { encodeSockaddrUn } from "./socket-address.ts";
import { AF_UNIX, SOCK_NONBLOCK, SOCK_STREAM } from "./socket-constants.ts";
import { probeSocket } from "./stream.ts";
import { placeSocket } from "./unix-socket-file.ts";

export interface ReservedSocket {
  readonly path: string;
  /** Bound; to be handed to {@link LinuxStreamTransport}, which closes it in the end. */
  readonly fd: number;
}

/**
 * Takes the name `path`, from a dead process if need be.
 * @throws AddressInUseError when a living process listens there, PathTooLongError, UnavailableError.
 */
export async function reserveSocket(path: string, options: ListenOptions): Promise<ReservedSocket> {
  const place = await placeSocket(path, options, probeSocket);
  const fd = native().socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  try {
    native().bind(fd, encodeSockaddrUn(place.temporaryPath));
    place.take();
  } catch (error) {
    native().close(fd);
    throw error;
  }
  return { path, fd };
}
