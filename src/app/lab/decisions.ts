/**
 * Shows the gateway's decisions as they travel: the lab observes mailboxes of the services like anybody else may,
 * from its own process, and tells one line for each message.
 * @module
 */
import { node } from "../node.ts";
import type { Lab } from "./lab.ts";
import type { Tell } from "./life.ts";

/** The decisions worth a line; everything else is there for `metanet observe`. */
const WATCHED: readonly string[] = [
  "dhcpd:/dhcpd/lookup",
  "dhcpd:/dhcpd/commit",
  "dhcpd:/dhcpd/release",
  "portald:/portald/opened",
  "portald:/portald/closed",
  "firewall:/firewall/permitted",
  "firewall:/firewall/revoked",
];

/** Longer values are cut: a line is for reading. */
const VALUE_LENGTH_MAX = 40;

/** Observes until the process ends. */
export async function followDecisions(lab: Lab, tell: Tell): Promise<void> {
  const net = await node("lab", { directory: lab.place.run });
  for (const address of WATCHED) {
    const [service = "", mailbox = ""] = address.split(":");
    await net.observe(address, "life", (message) => {
      const tuples = [...message].map(([tag, value]) => `${tag}=${short(value)}`);
      tell(service, `${mailbox} ${tuples.join(" ")}`);
    });
  }
}

function short(value: unknown): string {
  const text = String(value);
  return text.length > VALUE_LENGTH_MAX ? `${text.slice(0, VALUE_LENGTH_MAX)}…` : text;
}
