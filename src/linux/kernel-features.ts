/**
 * What this machine can do, found out by trying: each probe does the real thing in a network namespace of its own
 * that is gone a moment later, and changes nothing outside of it.
 * @module
 */
import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { extname, join } from "node:path";
import { RING_BYTES_MIN } from "#io/packet-capture.ts";
import { isPinFolder, PIN_FOLDER } from "./bpf/pin-file.ts";
import { probeImage } from "./bpf/probe.ts";
import { LinuxKernelPrograms } from "./bpf/programs.ts";
import { native, nativeProblem } from "./native.ts";
import { LinuxPacketCapture } from "./packet-ring.ts";
import { AF_PACKET, SOCK_DGRAM } from "./socket-constants.ts";

/** How long one probe may take, in milliseconds; a slower one counts as failed. */
const PROBE_MILLISECONDS_MAX = 5000;

export interface KernelFeature {
  /** Short and stable, kebab-case. */
  readonly name: string;
  readonly available: boolean;
  /** What the kernel or the program said when it is not available. */
  readonly seen?: string;
  /** What does not work without it, as a half sentence. */
  readonly neededFor: string;
  /** What to type or to change. */
  readonly fix: string;
}

interface Probe {
  readonly name: string;
  readonly neededFor: string;
  readonly fix: string;
  /** Fulfilled when the feature is there, rejected with what was seen when it is not. */
  try(): Promise<void>;
}

/** Every feature, in the order of the table; the probes run side by side. */
export async function probeKernelFeatures(): Promise<KernelFeature[]> {
  return Promise.all(PROBES.map(answer));
}

async function answer(probe: Probe): Promise<KernelFeature> {
  const { name, neededFor, fix } = probe;
  try {
    await probe.try();
    return { name, available: true, neededFor, fix };
  } catch (error) {
    const seen = error instanceof Error ? error.message : String(error);
    return { name, available: false, seen, neededFor, fix };
  }
}

const PROBES: readonly Probe[] = [
  {
    name: "root",
    neededFor: "running the gateway on this machine's own interfaces",
    fix: "run it with sudo; the lab works without root where user namespaces do",
    try: async () => {
      if (process.geteuid?.() !== 0) throw new Error(`runs as user ${process.geteuid?.()}`);
    },
  },
  {
    name: "addon",
    neededFor: "the DHCP server, the firewall, dropping privileges, the lab",
    fix: "sudo apt-get install --yes gcc libc6-dev, then: node native/build.mjs --strict",
    try: async () => {
      const problem = nativeProblem();
      if (problem !== undefined) throw new Error(problem);
    },
  },
  {
    name: "compiler",
    neededFor: "building the addon",
    fix: "sudo apt-get install --yes gcc libc6-dev",
    try: () => run("cc", ["--version"]),
  },
  {
    name: "user-namespaces",
    neededFor: "the lab without root",
    fix: "sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 (the one that exists); there are none in a chroot",
    try: () => run("unshare", ["--user", "--map-root-user", "true"]),
  },
  {
    name: "iproute2",
    neededFor: "the lab, and looking at interfaces",
    fix: "sudo apt-get install --yes iproute2",
    try: () => run("ip", ["-Version"]),
  },
  {
    name: "veth",
    neededFor: "the lab",
    fix: "sudo modprobe veth; on a kernel without it, a kernel with CONFIG_VETH",
    try: () => isolated("ip", ["link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]),
  },
  {
    name: "bridge",
    neededFor: "the lab",
    fix: "sudo modprobe bridge; on a kernel without it, a kernel with CONFIG_BRIDGE",
    try: () => isolated("ip", ["link", "add", "probe0", "type", "bridge"]),
  },
  {
    name: "packet-socket",
    neededFor: "answering DHCP clients that have no address yet",
    fix: "run it as root, on a kernel with CONFIG_PACKET",
    try: async () => {
      const fd = native().socket(AF_PACKET, SOCK_DGRAM, 0);
      native().close(fd);
    },
  },
  {
    name: "packet-ring",
    neededFor: "flow monitors on an interface",
    fix: "run it as root, on a kernel with CONFIG_PACKET",
    try: async () => new LinuxPacketCapture({ interface: "any", ringBytes: RING_BYTES_MIN }).close(),
  },
  {
    name: "tun",
    neededFor: "flow monitors and scripts that packets are routed through",
    fix: "sudo modprobe tun; the kernel needs CONFIG_TUN, and a container the device /dev/net/tun",
    try: () => isolated("ip", ["tuntap", "add", "dev", "probe0", "mode", "tun"]),
  },
  {
    name: "nftables",
    neededFor: "the firewall",
    fix: "sudo apt-get install --yes nftables; the kernel needs CONFIG_NF_TABLES_INET",
    try: () => nft("add table inet probe"),
  },
  {
    name: "nat",
    neededFor: "masquerading clients, and sending them to the portal",
    fix: "sudo modprobe nft_masq nft_redir; the kernel needs CONFIG_NFT_MASQ and CONFIG_NFT_REDIR",
    try: () =>
      nft(`add table inet probe
        add chain inet probe out { type nat hook postrouting priority 100; }
        add rule inet probe out masquerade
        add chain inet probe in { type nat hook prerouting priority -100; }
        add rule inet probe in tcp dport 80 redirect to :8080`),
  },
  {
    name: "tproxy",
    neededFor: "transparent proxies such as the mail gate",
    fix: "sudo modprobe nft_tproxy; the kernel needs CONFIG_NFT_TPROXY",
    try: () =>
      nft(`add table inet probe
        add chain inet probe in { type filter hook prerouting priority -150; }
        add rule inet probe in meta l4proto tcp tproxy ip to :8080`),
  },
  {
    name: "packet-queue",
    neededFor: "packet scripts in user space",
    fix: "sudo apt-get install --yes nftables iproute2; the kernel needs CONFIG_NETFILTER_NETLINK_QUEUE, and CONFIG_NFT_QUEUE or CONFIG_NETFILTER_XT_TARGET_NFQUEUE with CONFIG_NFT_COMPAT",
    try: () => packetQueue("packets"),
  },
  {
    name: "packet-queue-bridge",
    neededFor: "packet scripts on what crosses a bridge",
    fix: "a kernel with CONFIG_NFT_QUEUE; on others IP packets go through family inet after `ip link set BRIDGE type bridge nf_call_iptables 1 nf_call_ip6tables 1`",
    try: () => packetQueue("bridge"),
  },
  {
    name: "packet-queue-conntrack",
    neededFor:
      "packet.connection at no cost; without it scripts ask the kernel's table, about 10 µs a packet",
    fix: "a kernel with CONFIG_NETFILTER_NETLINK_GLUE_CT, such as Debian's own; asking needs CONFIG_NF_CT_NETLINK",
    try: () => packetQueue("conntrack"),
  },
  {
    name: "btf",
    neededFor: "packet scripts compiled into the kernel",
    fix: "a kernel with CONFIG_DEBUG_INFO_BTF, such as Debian's own",
    try: () => access("/sys/kernel/btf/vmlinux"),
  },
  {
    name: "kernel-programs",
    neededFor: "packet scripts compiled into the kernel",
    fix: "run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; the kernel needs CONFIG_BPF_SYSCALL",
    try: async () => new LinuxKernelPrograms().load(probeImage("xdp"), new Map()).close(),
  },
  {
    name: "kernel-programs-netfilter",
    neededFor: "compiled packet scripts at netfilter's hooks",
    fix: "Linux 6.4 or newer with CONFIG_NETFILTER_BPF_LINK",
    try: () => kernelProgram("netfilter"),
  },
  {
    name: "kernel-programs-tcx",
    neededFor: "compiled packet scripts that change packets, at interfaces",
    fix: "Linux 6.6 or newer with CONFIG_NET_CLS_ACT or CONFIG_NET_XGRESS",
    try: () => kernelProgram("tcx"),
  },
  {
    name: "kernel-programs-xdp",
    neededFor: "compiled packet scripts in the drivers of interfaces",
    fix: "Linux 5.9 or newer with CONFIG_BPF_SYSCALL",
    try: () => kernelProgram("xdp"),
  },
  {
    name: "kernel-programs-pins",
    neededFor: "compiled packet scripts that stay when packetd ends",
    fix: `sudo mount -t bpf bpf ${PIN_FOLDER}`,
    try: async () => {
      if (!isPinFolder(PIN_FOLDER)) throw new Error(`no BPF file system is mounted at ${PIN_FOLDER}`);
    },
  },
  {
    name: "ipv6",
    neededFor: "IPv6 for clients",
    fix: "remove ipv6.disable=1 from the kernel's command line",
    try: () => access("/proc/sys/net/ipv6"),
  },
];

/** `nft -f -` in a namespace of its own. */
function nft(commands: string): Promise<void> {
  return isolated("nft", ["-f", "-"], `${commands}\n`);
}

/** Queues a packet, in a program of its own. */
function packetQueue(what: "packets" | "bridge" | "conntrack"): Promise<void> {
  const program = join(import.meta.dirname, `packet-queue-probe${extname(import.meta.filename)}`);
  return isolated(process.execPath, [program, what]);
}

/** Attaches a program to the kernel, in a program of its own. */
function kernelProgram(what: "netfilter" | "tcx" | "xdp"): Promise<void> {
  const program = join(import.meta.dirname, "bpf", `probe${extname(import.meta.filename)}`);
  return isolated(process.execPath, [program, what]);
}

/** Runs a program where everything it makes vanishes with it; without root, as the root of a user namespace. */
function isolated(program: string, args: readonly string[], input = ""): Promise<void> {
  const user = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  return run("unshare", [...user, "--net", "--", program, ...args], input);
}

function run(program: string, args: readonly string[], input = ""): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { timeout: PROBE_MILLISECONDS_MAX, env: { ...process.env, LC_ALL: "C" } };
    const child = execFile(program, [...args], options, (error, _stdout, stderr) => {
      if (!error) return resolve();
      const said = stderr.trim().split("\n")[0];
      // EACCES is what a folder of the path that we may not look into makes of a missing program (execvp(3)).
      const isMissing = "code" in error && ["ENOENT", "EACCES"].includes(String(error.code));
      reject(new Error(isMissing ? `there is no program ${program}` : said || error.message));
    });
    // A program that ends before it has read its input is judged by its exit code.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
