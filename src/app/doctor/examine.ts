/**
 * What this machine can do, sorted by what needs it: the gateway itself, the lab, or only a part that comes later.
 * @module
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { type KernelFeature, probeKernelFeatures } from "#linux/kernel-features.ts";
import { runDirectory } from "../run-directory.ts";

export interface Check {
  /** Short and stable, kebab-case. */
  readonly name: string;
  readonly ok: boolean;
  /** `metanet up` or `metanet lab` cannot run without it. */
  readonly required: boolean;
  readonly neededFor: string;
  readonly seen: string | undefined;
  readonly fix: string;
}

export interface Report {
  /** `metanet up` can run. */
  readonly up: boolean;
  /** `metanet lab` can run. */
  readonly lab: boolean;
  /** `metanet script load` can run; `script check` always can. */
  readonly script: boolean;
  readonly checks: readonly Check[];
}

const NODE_MAJOR_MIN = 24;

const UP: readonly string[] = ["node", "run-directory", "root", "addon", "packet-socket", "nftables", "nat"];
const LAB: readonly string[] = ["node", "addon", "iproute2", "veth", "bridge", "nftables", "nat"];
const SCRIPT: readonly string[] = ["node", "run-directory", "root", "addon", "packet-queue"];

/** Tries everything; takes about a second. */
export async function examine(): Promise<Report> {
  return judge([
    checkNode(process.versions.node),
    checkRunDirectory(runDirectory()),
    ...(await probeKernelFeatures()),
  ]);
}

/** What follows from the probes for `up` and for `lab`. */
export function judge(features: readonly KernelFeature[]): Report {
  const has = (name: string): boolean =>
    features.some((feature) => feature.name === name && feature.available);
  const lab = LAB.every(has) && (has("root") || has("user-namespaces"));
  const up = UP.every(has);
  const script = SCRIPT.every(has);
  const checks = features.map(({ name, available, neededFor, seen, fix }) => {
    const required = UP.includes(name) || LAB.includes(name) || (name === "user-namespaces" && !has("root"));
    return { name, ok: available, required, neededFor, seen, fix };
  });
  return { up, lab, script, checks };
}

function checkNode(version: string): KernelFeature {
  const available = Number.parseInt(version, 10) >= NODE_MAJOR_MIN;
  const fix = `install Node ${NODE_MAJOR_MIN} or newer, or run \`npm ci\` in a checkout`;
  return { name: "node", available, neededFor: "everything", seen: version, fix };
}

/** The folder, or the nearest one above it that is there, must be ours to write to. */
function checkRunDirectory(directory: string): KernelFeature {
  const feature = {
    name: "run-directory",
    neededFor: "the sockets of the bus",
    fix: "run it as root, or set METANET_RUN to a folder of yours",
  };
  let nearest = directory;
  while (!statSync(nearest, { throwIfNoEntry: false }) && nearest !== "/") nearest = dirname(nearest);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
    return { ...feature, available: true, seen: directory };
  } catch {
    return { ...feature, available: false, seen: `${nearest} cannot be written to` };
  }
}
