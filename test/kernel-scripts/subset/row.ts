/**
 * Rows of the table of the subset: what docs/kernel-scripts.md says of each construct, as scripts that are taken and
 * scripts that are not.
 * @module
 */
import type { AttachType } from "#script/compiler/target.ts";

/** A script: the body of a function `(packet, context)`, or more where `top` stands before it. */
export interface SubsetScript {
  /** Statements of the function. */
  readonly body: string;
  /** What stands at the module's top, before the function. */
  readonly top?: string;
  /** Where it is compiled for; `tcx-ingress` unless told. */
  readonly attach?: AttachType;
}

export interface SubsetRow {
  /** As the table of the manual names it. */
  readonly construct: string;
  readonly accepted: SubsetScript;
  readonly refused: SubsetScript;
  /** The code of the problem that the refused one has. */
  readonly code: string;
}

/** What scripts of the table import. */
const IMPORTS = [
  ...[
    "accept",
    "arp",
    "defineProtocol",
    "drop",
    "ethernet",
    "gre",
    "icmp",
    "ipv4",
    "ipv6",
    "mark",
    "milliseconds",
  ],
  ...["later", "proceed", "queue", "repeat", "seconds", "tcp", "udp", "verdict", "vlan"],
  ...["handOver", "redirect", "ipv4Address", "ipv4Codec", "build", "dns", "http"],
  ...["type Context", "type Packet"],
];

/** The module with the script as its function `script`. */
export function subsetModule({ body, top = "" }: SubsetScript): string {
  const options = top.includes("export const options") ? "" : "export const options = { tunnels: false };";
  return [
    `import { ${IMPORTS.join(", ")} } from "metanet/script";`,
    options,
    top,
    `export function script(packet: Packet, context: Context) {\n${body}\n}`,
  ].join("\n");
}
