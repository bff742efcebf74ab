/**
 * What handles packets inside of the kernel in the measurements: Linux's own rules, scripts compiled to eBPF, and the
 * same programs compiled by clang from C.
 * @module
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import type { Handler, Running } from "./handler.ts";
import { ADDRESSES, type BenchNetwork, SINK_PORT } from "./network.ts";

const PEERS = join(import.meta.dirname, "../peers");
const NAT_SCRIPT = join(import.meta.dirname, "../../example/packet/nat.ts");
const SINK_SCRIPT = join(PEERS, "sink-script.ts");
const { src: CLIENT, outer: OUTER } = ADDRESSES[4];

/** One that brings its own rules for its turn; the rig's modes mean nothing here. */
export type KernelHandler = Pick<Handler, "name" | "kind" | "start">;

/** The rules of a table of ours, for a turn. */
function rules(name: string, chains: string): KernelHandler {
  return {
    name,
    kind: "peer",
    async start(network) {
      loadTable(network, `inet bench { ${chains} }`);
      return {
        async stop() {
          network.run("fw", ["nft", "delete table inet bench"]);
          return undefined;
        },
      };
    },
  };
}

/** nft wants a line's end in front of a chain's. */
function loadTable(network: BenchNetwork, text: string): void {
  network.run("fw", ["nft", `table ${text.replaceAll(" }", "\n}")}\n`]);
}

async function child(network: BenchNetwork, words: readonly string[]): Promise<Running> {
  const started = await network.start("fw", [process.execPath, "-C", "metanet-source", ...words], {
    ready: /ready\n/,
  });
  return {
    async stop() {
      await started.stop();
      const text = started.output().split("\n")[1];
      if (text === undefined || text === "") {
        if (words.some((word) => word.endsWith("router-kernel.ts")))
          throw new Error(`Cannot compare: the scripts ended before their turn did: ${words.join(" ")}`);
        return undefined;
      }
      const all: { packets: number; errors: number }[] = JSON.parse(text);
      const packets = all.reduce((sum, one) => sum + one.packets, 0);
      if (packets === 0 || all.some(({ errors }) => errors > 0))
        throw new Error(`Cannot compare: scripts in the kernel counted ${text}`);
      return { packets, counted: 0, modified: packets };
    },
  };
}

/** A script through the engine, as `script load --engine kernel` has it. */
function script(name: string, file: string, words: readonly string[]): KernelHandler {
  return {
    name,
    kind: "ours",
    start: (network) => child(network, [join(PEERS, "router-kernel.ts"), file, ...words]),
  };
}

/** A program in C, compiled for the turn. */
function clang(name: string, source: string, words: readonly string[]): KernelHandler {
  return {
    name,
    kind: "peer",
    start(network, programs) {
      const object = join(programs.folder, `${source}.o`);
      const file = join(PEERS, "ebpf", `${source}.c`);
      execFileSync("clang", ["-target", "bpf", "-mcpu=v3", "-O2", "-Wall", "-c", file, "-o", object]);
      return child(network, [join(PEERS, "router-c.ts"), object, ...words]);
    },
  };
}

const TO_SINK = `udp dport ${SINK_PORT} drop`;

/** Nothing: the router forwards. */
export const FLOOR: KernelHandler = {
  name: "forwarding",
  kind: "floor",
  start: async () => ({ stop: async () => undefined }),
};

/** The thesis's listing 4.1, compiled: the same file that runs in user space. */
export const KERNEL_NAT: Handler = {
  ...script("nat.ts in the kernel", NAT_SCRIPT, [
    ...["snat", "postrouting", "out", "dst0"],
    ...["dnat", "prerouting", "in", "dst0"],
  ]),
  rules: "own",
  modes: ["nat"],
};

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
  rules(
    "nft stateless",
    `chain out { type filter hook postrouting priority 300; oifname dst0 ip saddr set ${OUTER}; }
     chain in { type filter hook prerouting priority -300; iifname dst0 ip daddr set ${CLIENT}; }`,
  ),
  clang("C, clang", "stateless-nat", ["snat", "tcx-egress", "dst0", "dnat", "tcx-ingress", "dst0"]),
  KERNEL_NAT,
];

/** Those that drop at one place, by the name of the place. */
export const DROP_HANDLERS: Readonly<Record<string, readonly KernelHandler[]>> = {
  "netfilter forward": [
    FLOOR,
    rules("nft", `chain early { type filter hook forward priority 0; iifname src0 ${TO_SINK}; }`),
    script("script", SINK_SCRIPT, ["sink", "forward", "in", "src0"]),
  ],
  "netfilter prerouting": [
    FLOOR,
    rules("nft", `chain early { type filter hook prerouting priority -300; iifname src0 ${TO_SINK}; }`),
    script("script", SINK_SCRIPT, ["sink", "prerouting", "in", "src0"]),
  ],
  "interface ingress": [
    FLOOR,
    {
      ...rules("nft netdev", ""),
      async start(network) {
        const chain = `chain early { type filter hook ingress device src0 priority 0; ${TO_SINK}; }`;
        loadTable(network, `netdev bench { ${chain} }`);
        return {
          async stop() {
            network.run("fw", ["nft", "delete table netdev bench"]);
            return undefined;
          },
        };
      },
    },
    clang("C, clang", "sink", ["sink", "tcx-ingress", "src0"]),
    script("script", SINK_SCRIPT, ["sink", "ingress", "in", "src0"]),
  ],
};
