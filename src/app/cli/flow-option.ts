/**
 * The options that the commands of `metanet flow` have in common.
 * @module
 */
import type { Command } from "commander";
import type { FlowPolicy, OverlapPolicy } from "#flow/policy.ts";
import type { EngineChoice } from "../flow/engine-choice.ts";
import { readWhole, readWord } from "./option.ts";

const POLICIES: readonly OverlapPolicy[] = [
  "linux",
  "windows",
  "bsd",
  "solaris",
  "old-linux",
  "first",
  "last",
];
const MIDSTREAM: readonly FlowPolicy["midstream"][] = ["guess", "on", "off"];
const CHECKSUMS: readonly FlowPolicy["checksums"][] = ["auto", "verify", "trust"];
const FLOW_COUNT_MAX = 16_777_216;
export const WORKER_COUNT_MAX = 64;

/** As commander gives them. */
export interface EngineOptionTexts {
  readonly policy?: string;
  readonly midstream?: string;
  readonly checksums?: string;
  readonly flowsMax?: string;
}

/** Adds what says how engines are set up. */
export function withEngineOptions(command: Command): Command {
  return command
    .option(
      "--policy <SYSTEM>",
      `whose receivers: what becomes of overlapping segments and fragments: ${POLICIES.join(", ")}; linux when absent`,
    )
    .option(
      "--midstream <WAY>",
      "connections whose start was not seen: guess who is the client, on: whoever is seen first, off: leave out; guess when absent",
    )
    .option(
      "--checksums <WAY>",
      "wrong ones: verify: leave the packet out, trust: do not look, auto: leave it out unless they are many, none was right yet, or the hardware had still to fill it in; auto when absent",
    )
    .option("--flows-max <N>", "flows at once; one more takes the place of the oldest; 262144 when absent");
}

/** @throws UsageError */
export function engineChoice({ policy, midstream, checksums, flowsMax }: EngineOptionTexts): EngineChoice {
  return {
    ...(policy === undefined ? {} : { policy: readWord(policy, "--policy", POLICIES) }),
    ...(midstream === undefined ? {} : { midstream: readWord(midstream, "--midstream", MIDSTREAM) }),
    ...(checksums === undefined ? {} : { checksums: readWord(checksums, "--checksums", CHECKSUMS) }),
    ...(flowsMax === undefined
      ? {}
      : { flowCountMax: readWhole(flowsMax, "--flows-max", 1, FLOW_COUNT_MAX) }),
  };
}

/** How many worker threads; 1 when absent. @throws UsageError */
export function workerCount(text: string | undefined): number {
  return text === undefined ? 1 : readWhole(text, "--workers", 1, WORKER_COUNT_MAX);
}
