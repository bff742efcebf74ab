/**
 * A listener on the DHCP server's lookups, as a process of its own: gives every client the address of its second
 * argument; with `sleep` there it takes for ever over each. Its first argument is the run directory.
 * @module
 */
import { node } from "#app/node.ts";
import { ip } from "#base/ip-address.ts";
import { stop } from "#mailbox/verdict.ts";

const [directory = "", what = ""] = process.argv.slice(2);
const net = await node("ldap-glue", { directory });
await net.prepend("dhcpd:/dhcpd/lookup", "ldap", async (lookup) => {
  if (what === "sleep") await new Promise(() => undefined);
  await net.send("dhcpd:/dhcpd/lookup-response", { xid: Number(lookup.get("xid")), address: ip(what) });
  return stop;
});
process.stdout.write("ready\n");
