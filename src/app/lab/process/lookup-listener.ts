/**
 * A listener in a process of its own, in front of the DHCP server's decision: some clients get an address from it,
 * and on others it sits and thinks until it is killed. The only argument is a JSON {@link LookupOrder}; prints
 * `attached`, `decided MAC ADDRESS` and `holding MAC`.
 * @module
 */
import { ip } from "#base/ip-address.ts";
import { seconds } from "#base/time.ts";
import { stop } from "#mailbox/verdict.ts";
import { node } from "../../node.ts";
import type { LookupOrder } from "../lookup-order.ts";

const order: LookupOrder = JSON.parse(process.argv[2] ?? "{}");
const net = await node("lab-directory");

/** Longer than the whole story's patience: what ends the wait must be the death of this process. */
const THINKING_TIME = seconds(30);

await net.prepend(
  "dhcpd:/dhcpd/lookup",
  "directory",
  async (request) => {
    const mac = String(request.get("chaddr"));
    if (order.hold.includes(mac)) {
      process.stdout.write(`holding ${mac}\n`);
      return new Promise<undefined>(() => {});
    }
    const address = order.decide[mac];
    if (address === undefined) return undefined;
    const [xid, chaddr] = [request.get("xid"), request.get("chaddr")];
    if (xid === undefined) return undefined;
    await net.send("dhcpd:/dhcpd/lookup-response", { xid, chaddr, address: ip(address) });
    process.stdout.write(`decided ${mac} ${address}\n`);
    return stop;
  },
  { timeout: THINKING_TIME, onTimeout: "continue" },
);
process.stdout.write("attached\n");
