/**
 * What handles packets inside of the kernel in the measurements: Linux's own rules, scripts compiled to eBPF, and the
 * same programs compiled by clang from C.
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ObjectPut, PlacedCount, PlacedInfo, ScriptPut } from "../peers/router-orders.ts";
import type { RunTime } from "../peers/run-time.ts";
import type { Done, Handler } from "./handler.ts";
import { routerOf } from "./kernel-router.ts";
import { ADDRESSES, type BenchNetwork, SINK_PORT } from "./network.ts";
import type { Programs } from "./programs.ts";

const PEERS = join(import.meta.dirname, "../peers");
const NAT_SCRIPT = join(import.meta.dirname, "../../example/packet/nat.ts");
const NAT6_SCRIPT = join(PEERS, "nat6-script.ts");
const SINK_SCRIPT = join(PEERS, "sink-script.ts");

/** What programs of the kernel have done, and how long it took by the kernel's own account, where it kept one. */
export type KernelDone = Done & RunTime;

/** One that has its turn, and the programs it has put in place. */
export interface KernelRunning {
  /** Of those at an interface, where C's can be, too. */
  readonly placed?: readonly PlacedInfo[];
  stop(): Promise<KernelDone | undefined>;
}

/** One that brings its own rules for its turn; the rig's modes mean nothing here. */
export interface KernelHandler extends Pick<Handler, "name" | "kind"> {
  start(network: BenchNetwork, programs: Programs): Promise<KernelRunning>;
}

/** As they stand in tables. */
export const SCRIPT = "script";
/** With all that the script checks and counts. */
export const C_SAME = "C, as the script";
/** With what is needed and no more. */
export const C_BARE = "C, bare";

/** The rules of a table of ours, for a turn. */
function rules(name: string, chains: string, family = "inet"): KernelHandler {
  return {
    name,
    kind: "peer",
    async start(network) {
      // nft wants a line's end in front of a chain's.
      network.run("fw", ["nft", `table ${family} bench { ${chains} }`.replaceAll(" }", "\n}").concat("\n")]);
      return {
        async stop() {
          network.run("fw", ["nft", `delete table ${family} bench`]);
          return undefined;
        },
      };
    },
  };
}

/** A handler past which the packets went, or one that failed, would win every comparison. */
function doneOf(counted: readonly PlacedCount[]): KernelDone {
  const sum = (of: (one: PlacedCount) => number): number => counted.reduce((all, one) => all + of(one), 0);
  const packets = sum((one) => one.packets ?? 0);
  const isCounted = counted.every((one) => one.packets !== undefined);
  if ((isCounted && packets === 0) || sum(({ errors }) => errors) > 0)
    throw new Error(`Cannot compare: programs in the kernel counted ${JSON.stringify(counted)}`);
  const times = { nanoseconds: sum((one) => one.nanoseconds), runs: sum(({ runs }) => runs) };
  return { packets, counted: 0, modified: packets, ...times };
}

/** Scripts through the engine, as `script load --engine kernel` has it. */
function scripts(name: string, ...put: readonly ScriptPut[]): KernelHandler {
  return {
    name,
    kind: "ours",
    async start(network) {
      const router = await routerOf<ScriptPut>(network, "router-kernel");
      return {
        placed: await router.put(put),
        stop: async () => doneOf(await router.take()),
      };
    },
  };
}

/** Sections of a program in C. */
function clang(
  name: string,
  source: string,
  defines: readonly string[],
  ...sections: readonly Omit<ObjectPut, "object">[]
): KernelHandler {
  return {
    name,
    kind: "peer",
    async start(network, programs) {
      const object = join(programs.folder, `${source}.o`);
      if (!existsSync(object)) {
        const options = ["-target", "bpf", "-mcpu=v3", "-O2", "-Wall", ...defines];
        execFileSync("clang", [...options, "-c", join(PEERS, "ebpf", `${source}.c`), "-o", object]);
      }
      const router = await routerOf<ObjectPut>(network, "router-c");
      return {
        placed: await router.put(sections.map((section) => ({ object, ...section }))),
        stop: async () => doneOf(await router.take()),
      };
    },
  };
}

const { src: CLIENT, outer: OUTER } = ADDRESSES[4];
const { src: CLIENT6, outer: OUTER6 } = ADDRESSES[6];
const TO_SINK = `udp dport ${SINK_PORT} drop`;
const ICMPV6_STAYS = "meta l4proto != ipv6-icmp";

/** Nothing: the router forwards. */
export const FLOOR: KernelHandler = {
  name: "forwarding",
  kind: "floor",
  start: async () => ({ stop: async () => undefined }),
};

const NAT_BY_SCRIPT = [
  { file: NAT_SCRIPT, function: "snat", hook: "postrouting", out: "dst0" },
  { file: NAT_SCRIPT, function: "dnat", hook: "prerouting", in: "dst0" },
] as const satisfies readonly ScriptPut[];

/** The thesis's listing 4.1, compiled: the same file that runs in user space. */
export const KERNEL_NAT: Handler = {
  ...scripts("nat.ts in the kernel", ...NAT_BY_SCRIPT),
  rules: "own",
  modes: ["nat"],
};

/** An nft rule that rewrites addresses and keeps no connections. */
const STATELESS = rules(
  "nft stateless",
  `chain out { type filter hook postrouting priority 300; oifname dst0 ip saddr set ${OUTER}; }
   chain in { type filter hook prerouting priority -300; iifname dst0 ip daddr set ${CLIENT}; }`,
);

/** The same, among handlers that lead packets to queues. */
export const NFT_STATELESS: Handler = { ...STATELESS, rules: "own", modes: ["nat"] };

/** Where C's NAT stands: what leaves, and what comes back. */
const NAT_SECTIONS = [
  { section: "snat", kind: "tcx-egress", device: "dst0" },
  { section: "dnat", kind: "tcx-ingress", device: "dst0" },
] as const;

/** Those that give one client the router's address. */
export const NAT_HANDLERS: readonly KernelHandler[] = [
  FLOOR,
  rules(
    "Linux SNAT",
    `chain out { type nat hook postrouting priority srcnat; oifname dst0 ip saddr ${CLIENT} snat ip to ${OUTER}; }`,
  ),
  rules(
    "Linux MASQUERADE",
    "chain out { type nat hook postrouting priority srcnat; oifname dst0 masquerade; }",
  ),
  STATELESS,
  clang(C_SAME, "script-nat", [], ...NAT_SECTIONS),
  scripts(SCRIPT, ...NAT_BY_SCRIPT),
];

/** With C that checks and counts less. */
export const NAT_HANDLERS_AND_BARE: readonly KernelHandler[] = [
  ...NAT_HANDLERS,
  clang(C_BARE, "stateless-nat", [], ...NAT_SECTIONS),
];

/** The same for IPv6; neighbours are found as ever. */
export const NAT6_HANDLERS: readonly KernelHandler[] = [
  FLOOR,
  rules(
    "Linux SNAT",
    `chain out { type nat hook postrouting priority srcnat; oifname dst0 ip6 saddr ${CLIENT6} snat ip6 to ${OUTER6}; }`,
  ),
  rules(
    "Linux MASQUERADE",
    `chain out { type nat hook postrouting priority srcnat; oifname dst0 ip6 saddr ${CLIENT6} masquerade; }`,
  ),
  rules(
    "nft stateless",
    `chain out { type filter hook postrouting priority 300; oifname dst0 ip6 saddr ${CLIENT6} ip6 saddr set ${OUTER6}; }
     chain in { type filter hook prerouting priority -300; iifname dst0 ${ICMPV6_STAYS} ip6 daddr set ${CLIENT6}; }`,
  ),
  clang(
    C_SAME,
    "script-nat",
    [],
    { section: "snat6", kind: "tcx-egress", device: "dst0" },
    { section: "dnat6", kind: "tcx-ingress", device: "dst0" },
  ),
  scripts(
    SCRIPT,
    { file: NAT6_SCRIPT, function: "snat6", hook: "postrouting", out: "dst0" },
    { file: NAT6_SCRIPT, function: "dnat6", hook: "prerouting", in: "dst0" },
  ),
];

const NFT_AT_DEVICE = rules(
  "nft",
  `chain early { type filter hook ingress device src0 priority 0; ${TO_SINK}; }`,
  "netdev",
);

/** What of a place's handlers the kernel keeps times of. */
export function programsOf(handlers: readonly KernelHandler[]): readonly KernelHandler[] {
  return handlers.filter(({ name }) => [SCRIPT, C_SAME, C_BARE].includes(name));
}

/** Those that drop at one place, by the name of the place. */
export const DROP_HANDLERS = {
  "netfilter forward": [
    FLOOR,
    rules("nft", `chain early { type filter hook forward priority 0; iifname src0 ${TO_SINK}; }`),
    scripts(SCRIPT, { file: SINK_SCRIPT, function: "sink", hook: "forward", in: "src0" }),
  ],
  "netfilter prerouting": [
    FLOOR,
    rules("nft", `chain early { type filter hook prerouting priority -300; iifname src0 ${TO_SINK}; }`),
    scripts(SCRIPT, { file: SINK_SCRIPT, function: "sink", hook: "prerouting", in: "src0" }),
  ],
  "interface ingress": [
    FLOOR,
    NFT_AT_DEVICE,
    clang(C_SAME, "script-sink", [], { section: "sink", kind: "tcx-ingress", device: "src0" }),
    clang(C_BARE, "drop-port", [`-DPORT=${SINK_PORT}`], {
      section: "program",
      kind: "tcx-ingress",
      device: "src0",
    }),
    scripts(SCRIPT, { file: SINK_SCRIPT, function: "sink", hook: "ingress", in: "src0" }),
  ],
  "interface ingress, IPv6": [
    FLOOR,
    NFT_AT_DEVICE,
    clang(C_SAME, "script-sink", [], { section: "sink6", kind: "tcx-ingress", device: "src0" }),
    scripts(SCRIPT, { file: SINK_SCRIPT, function: "sink6", hook: "ingress", in: "src0" }),
  ],
} as const satisfies Readonly<Record<string, readonly KernelHandler[]>>;
