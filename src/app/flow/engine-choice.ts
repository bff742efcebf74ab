/**
 * How the engines of `metanet flow` are set up, as plain values that go to worker threads as well.
 * @module
 */
import type { FlowLimits, FlowPolicy, FragmentPolicy, OverlapPolicy } from "#flow/policy.ts";
import type { FlowEngineOptions } from "../flow.ts";

/** What the command line says about an engine; the engine's own defaults where it says nothing. */
export interface EngineChoice {
  /** Whose rules receivers follow where segments or fragments overlap. */
  readonly policy?: OverlapPolicy;
  readonly midstream?: FlowPolicy["midstream"];
  readonly checksums?: FlowPolicy["checksums"];
  readonly flowCountMax?: number;
}

/** Old Linux put segments together otherwise than today's, but not fragments. */
function fragmentPolicy(policy: OverlapPolicy): FragmentPolicy {
  return policy === "old-linux" ? "linux" : policy;
}

/** The options of an engine, with limits of the caller's own. */
export function engineOptions(choice: EngineChoice, limits: Partial<FlowLimits> = {}): FlowEngineOptions {
  const { policy, midstream, checksums, flowCountMax } = choice;
  return {
    policy: {
      ...(policy === undefined ? {} : { overlap: policy, fragments: fragmentPolicy(policy) }),
      ...(midstream === undefined ? {} : { midstream }),
      ...(checksums === undefined ? {} : { checksums }),
    },
    limits: { ...(flowCountMax === undefined ? {} : { flowCountMax }), ...limits },
  };
}
