/**
 * Whether a script in the kernel is what it would be in user space beside the other scripts of its hook. There they run
 * in the order of their loading, and what one accepts skips those behind it; programs of netfilter cannot tell others
 * that a packet was accepted, and those of an interface come before all of netfilter, or behind it.
 * @module
 */
import type { AttachType } from "#script/compiler/target.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { isInterfaceHook } from "#service/packetd/config.ts";

/** A script at a hook. */
export interface Neighbour {
  readonly spec: ScriptSpec;
  /** Its place among the scripts of the hook. */
  readonly place: number;
  readonly at: AttachType | "user";
  /** What it is attached to; `undefined` at netfilter's hooks. */
  readonly interface: string | undefined;
  /** Whether it lets packets skip others; what user space does is not known here. */
  readonly accepts: boolean;
}

/** Why `one`, which is in the kernel, is not what it would be in user space beside `other`; `undefined` when it is. */
export function clashOf(one: Neighbour, other: Neighbour): string | undefined {
  const { hook } = one.spec;
  if (hook !== other.spec.hook || isInterfaceHook(hook) || !mayMeet(one.spec, other.spec)) return undefined;
  const { name } = other.spec;
  const isBehind = other.place > one.place;
  const noSkip = `in the kernel \`accept\` lets no packet skip ${name}, which is behind it at ${hook}`;
  if (one.at === "netfilter") return one.accepts && isBehind ? noSkip : undefined;
  // Programs of one interface run in their order, and what one accepts skips the others.
  if (other.at === one.at && other.interface === one.interface) return undefined;
  if (one.at === "tcx-egress")
    return `at an interface's egress it comes behind all scripts of ${hook}: ${name}`;
  if (!isBehind) return `at an interface's ingress it would see packets before ${name} does`;
  return one.accepts ? noSkip : undefined;
}

/** Whether a packet can come to both. */
function mayMeet(one: ScriptSpec, other: ScriptSpec): boolean {
  const families = new Set([one.family, other.family]);
  if (families.has("bridge") && families.size > 1) return false;
  if (families.has("ip") && families.has("ip6")) return false;
  return isOverlap(one.inInterface, other.inInterface) && isOverlap(one.outInterface, other.outInterface);
}

function isOverlap(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return true;
  const [first, second] = [one.replace(/\*$/, ""), other.replace(/\*$/, "")];
  if (one.endsWith("*") && second.startsWith(first)) return true;
  if (other.endsWith("*") && first.startsWith(second)) return true;
  return one === other;
}
