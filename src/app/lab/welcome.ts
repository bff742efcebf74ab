/**
 * What the interactive lab says once everything runs: where things are, and what to try next.
 * @module
 */
import { basename } from "node:path";
import { GATEWAY } from "./address-plan.ts";
import type { Lab } from "./lab.ts";
import { insideUserNamespace } from "./rootless.ts";
import type { DoorPorts } from "./visitor-door.ts";

/** Ten lines to copy: a listener in front of the DHCP server's decision. */
export const LISTENER: string = `import { node } from "metanet";

const net = await node("my-listener");
await net.prepend("dhcpd:/dhcpd/lookup", "mine", async (request) => {
  console.log("who decides for", String(request.get("chaddr")), "?");
  // return;                      continue: the next listener decides, at last the pool
  // return reject("not today");  the client gets no address
  // await net.send("dhcpd:/dhcpd/lookup-response", { xid: request.get("xid"), address: ip("10.77.0.50") });
  // return stop;                 I have decided  (import { ip, node, reject, stop } from "metanet")
});
`;

const IS_CHECKOUT = import.meta.filename.endsWith(".ts");
/** How the command is typed, in the folder that the lab was started from. */
const METANET = IS_CHECKOUT ? "bin/metanet" : "npx metanet";
const COMMAND_WIDTH = 50;

export interface WelcomeOptions {
  readonly ports: DoorPorts;
  readonly visitorAddress: string | undefined;
  readonly listenerFile: string;
}

/** The lines, for a terminal or a log alike. */
export function welcome(lab: Lab, { ports, visitorAddress, listenerFile }: WelcomeOptions): string[] {
  const services = lab.gateway.services.map(({ name, pid }) => `${name} (${pid})`).join(", ");
  const gateway = lab.topology.gateway.namespace;
  const look = insideUserNamespace()
    ? "the lab is in a user namespace of its own, as root was not given"
    : `look inside:  ip netns exec ${gateway} nft list ruleset`;
  return [
    "",
    "The lab is running.",
    "",
    `  gateway   ${GATEWAY.inside.four} and ${GATEWAY.inside.six}, running ${services}`,
    `  clients   client1 (dhclient), client2 and client3 (udhcpc) on ${GATEWAY.subnet.four}`,
    "  internet  http://example.org/ and http://example.com/, with names, IPv4 and IPv6",
    `  ${look}`,
    "",
    `Your own browser is the client "visitor" (${visitorAddress ?? "no address yet"}):`,
    `  http://127.0.0.1:${ports.site}/         a web site; before the login you are led to the portal`,
    `  http://127.0.0.1:${ports.portal}/         the portal: log in`,
    `  http://127.0.0.1:${ports.portal}/status   your status, and log out`,
    `  curl -x http://127.0.0.1:${ports.proxy} http://example.com/   or as your browser's web proxy`,
    "",
    "Try next, in another terminal:",
    `  export METANET_RUN=${lab.place.run}`,
    ...table([
      [`${METANET} list`, "the processes of the gateway"],
      [`${METANET} list dhcpd`, "the mailboxes of one of them"],
      [`${METANET} observe dhcpd:/dhcpd/lookup`, "watch who asks for an address"],
      [`${METANET} call firewall:/firewall/counters`, "who may pass, and how much they did"],
    ]),
    `  ${runListener(listenerFile)}`,
    `${" ".repeat(COMMAND_WIDTH)}a listener of your own; its ten lines:`,
    "",
    ...LISTENER.trimEnd()
      .split("\n")
      .map((line) => `    ${line}`),
    "",
    "Ctrl-C stops the lab and removes everything. What happens from now on:",
    "",
  ];
}

function table(rows: readonly (readonly [command: string, what: string])[]): string[] {
  return rows.map(([command, what]) => `  ${command}`.padEnd(COMMAND_WIDTH) + what);
}

/** The package's name stands for the sources in a checkout, and elsewhere for what is installed in the same folder. */
function runListener(file: string): string {
  return IS_CHECKOUT
    ? `node_modules/.bin/node -C metanet-source ${file}`
    : `cp ${file} . && node ${basename(file)}`;
}
