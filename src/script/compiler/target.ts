/**
 * Where compiled functions run in the kernel, and what each place lets them do.
 * @module
 */

/**
 * `netfilter`: one of netfilter's hooks; the packet begins with its IP header and can only be judged.
 * `tcx-ingress`, `tcx-egress`: an interface's traffic control; the frame begins with Ethernet and can be changed.
 * `xdp`: an interface's driver; likewise, but no checksum that is not complete yet can be told from one that is.
 */
export type AttachType = "netfilter" | "tcx-ingress" | "tcx-egress" | "xdp";

/** What a packet begins with, as the script sees it. */
export type FirstHeader = "ethernet" | "network";

export interface CompileTarget {
  readonly attach: AttachType;
  /** `network` at netfilter's hooks, and where an interface's place stands for one of them: what is not IP passes unseen. */
  readonly first: FirstHeader;
  /** At netfilter only: there is a program for each family. */
  readonly family?: "ipv4" | "ipv6";
  /** What becomes of a packet for which the script fails. */
  readonly onError: "drop" | "accept";
  /** Whether packets, bytes, verdicts and the script's counters are counted. */
  readonly statistics: boolean;
  /** The bit of the mark by which packets that are handed over get to user space; `undefined`: none can be here. */
  readonly handOverMark?: number;
  /** Linux before 6.9: its verifier has to follow each round of each loop, as no instruction counts them. */
  readonly followsLoops?: boolean;
}

/** What an attach point lets a function do. */
export interface TargetAbilities {
  readonly writes: boolean;
  /** Sets the netfilter mark. */
  readonly marks: boolean;
  readonly redirects: boolean;
  /** Makes packets longer and shorter. */
  readonly resizes: boolean;
}

export const ABILITIES: Readonly<Record<AttachType, TargetAbilities>> = {
  netfilter: { writes: false, marks: false, redirects: false, resizes: false },
  "tcx-ingress": { writes: true, marks: true, redirects: true, resizes: true },
  "tcx-egress": { writes: true, marks: true, redirects: true, resizes: true },
  xdp: { writes: true, marks: false, redirects: true, resizes: true },
};
