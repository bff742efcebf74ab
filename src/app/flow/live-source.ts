/**
 * Packets of an interface for `metanet flow`: a ring of a packet socket, with the filter in the kernel.
 * @module
 */
import { assembleFilter } from "#flow/filter/assemble.ts";
import { parseFilter } from "#flow/filter/parse.ts";
import { ANY_INTERFACE, CaptureForbiddenError, type PacketCapture } from "#io/packet-capture.ts";
import { LinuxPacketCapture } from "#linux/packet-ring.ts";

/** What to listen to. */
export interface LiveOrder {
  /** An interface's name, or `any`. */
  readonly interface: string;
  /** Asked of every packet. */
  readonly filter?: string;
  readonly promiscuous?: boolean;
  /** The group in which several workers share the flows. */
  readonly group?: number;
}

/** @throws ConfigurationError, CaptureForbiddenError, FilterError */
export function openLive({ interface: name, filter, promiscuous = false, group }: LiveOrder): PacketCapture {
  const expression = filter === undefined || filter.trim() === "" ? undefined : parseFilter(filter);
  try {
    return new LinuxPacketCapture({
      interface: name,
      ...(promiscuous && name !== ANY_INTERFACE ? { promiscuous } : {}),
      ...(group === undefined ? {} : { fanout: { group, mode: "hash" } }),
      ...(expression === undefined
        ? {}
        : { filter: (linkType: number) => assembleFilter(expression, { linkType, ancillaryVlan: true }) }),
    });
  } catch (error) {
    if (!(error instanceof CaptureForbiddenError)) throw error;
    throw new CaptureForbiddenError(
      `Cannot capture on ${name}: only root may see the packets of others; run it with sudo`,
      { cause: error },
    );
  }
}
