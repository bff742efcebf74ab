/**
 * Puts a bus among the others of the machine.
 * @module
 */
import type { Bus } from "#mailbox/bus.ts";
import { Links, type LinksOptions } from "./links.ts";

/**
 * Listens under the bus's name in the run directory and gives the bus its way to other processes.
 * @throws AddressInUseError when a process of this name is running, PathTooLongError, UnavailableError.
 */
export async function joinBus(bus: Bus, options: LinksOptions): Promise<Links> {
  const links = new Links(bus, options);
  await links.listen();
  bus.router = links;
  return links;
}
