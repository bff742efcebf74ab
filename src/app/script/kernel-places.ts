/**
 * Where in the kernel a script could stand, by what it was loaded with, and why it cannot.
 *
 * Netfilter's hooks take functions that only judge, for each family a program. An interface's traffic control stands
 * for `prerouting` of that interface and for `postrouting` to it: there packets can be changed.
 * @module
 */
import type { Duration } from "#base/time.ts";
import type { Hook } from "#packet/packet.ts";
import type { CompileTarget } from "#script/compiler/target.ts";
import type { ScriptSpec } from "#script/engine.ts";
import { DEFAULT_DEADLINE, DEFAULT_TIME_LIMIT, isInterfaceHook } from "#service/packetd/config.ts";

/** A program's place: one of them is attached for each. */
export interface KernelPlace {
  readonly target: CompileTarget;
  /** The hook of netfilter; `undefined` at an interface. */
  readonly hook: Hook | undefined;
  /** The interface that it is attached to; `undefined` at netfilter's hooks. */
  readonly interface: string | undefined;
}

/** Places that belong together: a script stands at all of them. */
export interface KernelWay {
  readonly places: readonly KernelPlace[];
  /** Only for functions that hand packets over to user space. */
  readonly isForHandOver: boolean;
}

export type KernelWays =
  | { readonly ways: readonly KernelWay[] }
  /** Why none of them comes into question, one sentence each without an end stop. */
  | { readonly reasons: readonly string[] };

/** What goes beyond an entry of the specification: which interfaces can carry a program. */
export interface KernelInterfaces {
  /** The interface's index; 0 when there is none. */
  index(name: string): number;
  /** Whether its frames begin with Ethernet; `undefined` when there is no such interface. */
  isEthernet(name: string): boolean | undefined;
}

/** The ways a script could take, the first choice first. @param handOverMark the bit for what is handed over */
export function kernelWays(
  spec: ScriptSpec,
  interfaces: Pick<KernelInterfaces, "isEthernet">,
  handOverMark?: number,
): KernelWays {
  const reasons = wishes(spec);
  if (reasons.length > 0) return { reasons };
  const named = isInterfaceHook(spec.hook) || isTrafficControl(spec) ? interfaceOf(spec) : undefined;
  const noEthernet = named !== undefined && interfaces.isEthernet(named) === false;
  if (isInterfaceHook(spec.hook)) {
    if (noEthernet) return { reasons: [`${named} is no Ethernet interface`] };
    return { ways: [interfaceWay(spec, "ethernet", false)] };
  }
  const ways: KernelWay[] = [];
  if (!isPattern(spec.inInterface) && !isPattern(spec.outInterface)) ways.push(netfilterWay(spec));
  if (named !== undefined && !noEthernet) {
    const mark = handOverMark === undefined ? {} : { handOverMark };
    const isForHandOver = spec.hook === "input" || spec.hook === "forward";
    if (!isForHandOver || handOverMark !== undefined)
      ways.push(interfaceWay(spec, "network", isForHandOver, mark));
  }
  if (ways.length > 0) return { ways };
  return { reasons: ["a program in the kernel compares one interface; name it whole, without '*'"] };
}

/** What would have to be named for changes of packets to be possible; `undefined` when it is, or nothing helps. */
export function trafficControlHint(spec: ScriptSpec): string | undefined {
  if (isTrafficControl(spec)) return undefined;
  if (spec.hook === "prerouting") return "with `--in IF` (one Ethernet interface) it can run at its ingress";
  if (spec.hook === "postrouting") return "with `--out IF` (one Ethernet interface) it can run at its egress";
  return undefined;
}

/** Wishes that only user space can fulfil. */
function wishes(spec: ScriptSpec): string[] {
  const { name, family, match, isolate, queueCount, deadline, timeLimit, seed } = spec;
  const isOther = (value: Duration, usual: Duration): boolean => value !== usual;
  const found: (string | false)[] = [
    match !== undefined && "`match` is for netfilter's queues; write the condition into the script",
    family === "bridge" && "frames between the ports of a bridge are shown in user space only",
    isolate !== name && "programs in the kernel share no variables with an isolate; share a map",
    queueCount !== 1 && "programs in the kernel have no queues; leave out `queues`",
    isOther(deadline, DEFAULT_DEADLINE) && "nothing comes later in the kernel; leave out `deadline`",
    isOther(timeLimit, DEFAULT_TIME_LIMIT) &&
      "the kernel has a time limit of its own; leave out `time-limit`",
    seed !== undefined && "the kernel's randomness takes no `seed`",
  ];
  return found.filter((reason) => reason !== false);
}

function isTrafficControl({ hook, inInterface, outInterface }: ScriptSpec): boolean {
  if (hook === "postrouting") {
    return outInterface !== undefined && !isPattern(outInterface) && inInterface === undefined;
  }
  if (hook === "output") return false;
  return inInterface !== undefined && !isPattern(inInterface) && outInterface === undefined;
}

function interfaceOf({ hook, inInterface, outInterface }: ScriptSpec): string | undefined {
  return hook === "egress" || hook === "postrouting" ? outInterface : inInterface;
}

function netfilterWay(spec: ScriptSpec): KernelWay {
  const families = ({ inet: ["ipv4", "ipv6"], ip: ["ipv4"], ip6: ["ipv6"], bridge: [] } as const)[
    spec.family
  ];
  const places = families.map((family): KernelPlace => {
    const { onError } = spec;
    const target = { attach: "netfilter", first: "network", family, onError, statistics: true } as const;
    return { target, hook: spec.hook as Hook, interface: undefined };
  });
  return { places, isForHandOver: false };
}

function interfaceWay(
  spec: ScriptSpec,
  first: CompileTarget["first"],
  isForHandOver: boolean,
  mark: { readonly handOverMark?: number } = {},
): KernelWay {
  const { hook, onError } = spec;
  const isOut = hook === "egress" || hook === "postrouting";
  const attach = hook === "xdp" ? "xdp" : isOut ? "tcx-egress" : "tcx-ingress";
  // Beyond ingress no queue of a hook is left that could bring the packet to user space.
  const more = attach === "tcx-ingress" && first === "network" ? mark : {};
  const target = { attach, first, onError, statistics: true, ...more } as const;
  return { places: [{ target, hook: undefined, interface: interfaceOf(spec) }], isForHandOver };
}

function isPattern(name: string | undefined): boolean {
  return name?.endsWith("*") ?? false;
}
