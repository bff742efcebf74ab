/**
 * Shows the gateway's decisions as they travel: the lab observes mailboxes of the services like anybody else may,
 * from its own process, and tells one line for each message.
 * @module
 */
import { node } from "../node.ts";
import type { Lab } from "./lab.ts";
import type { Tell } from "./life.ts";

/** The decisions worth a line, with the tags that tell it; everything is there for `metanet observe`. */
const WATCHED: Readonly<Record<string, readonly string[]>> = {
  "dhcpd:/dhcpd/lookup": ["kind", "chaddr", "hostname", "requested"],
  "dhcpd:/dhcpd/commit": ["chaddr", "address"],
  "dhcpd:/dhcpd/release": ["chaddr", "address"],
  "portald:/portald/opened": ["mac", "address"],
  "portald:/portald/closed": ["mac", "reason", "up-bytes", "down-bytes"],
  "firewall:/firewall/permitted": ["mac", "address"],
  "firewall:/firewall/revoked": ["mac", "address", "reason"],
};

/** Longer values are cut: a line is for reading. */
const VALUE_LENGTH_MAX = 40;

/** Observes until the returned function is called. */
export async function followDecisions(lab: Lab, tell: Tell): Promise<() => Promise<void>> {
  const net = await node("lab", { directory: lab.place.run });
  try {
    for (const [address, tags] of Object.entries(WATCHED)) {
      const [service = "", mailbox = ""] = address.split(":");
      await net.observe(address, "life", (message) => {
        const told = [...message].filter(([tag]) => tags.includes(tag));
        tell(service, [mailbox, ...told.map(([tag, value]) => `${tag}=${short(value)}`)].join(" "));
      });
    }
  } catch (error) {
    // Whoever stays on the bus keeps the process alive.
    await net.close();
    throw error;
  }
  return () => net.close();
}

function short(value: unknown): string {
  const text = String(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
