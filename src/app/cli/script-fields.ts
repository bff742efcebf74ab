/**
 * The options of `metanet script load` as the message that packetd takes.
 * @module
 */
import { existsSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { ConfigurationError } from "#base/errors.ts";
import { checkMatch, checkQueueRule } from "#io/queue-rules.ts";
import { networkNamespace } from "#linux/namespace.ts";
import type { Takes } from "#mailbox/registry.ts";
import {
  ENGINES,
  FAMILIES,
  HOOKS,
  INTERFACE_HOOKS,
  isInterfaceHook,
  ON_ERROR,
  placeProblem,
  QUEUE_COUNT_MAX,
} from "#service/packetd/config.ts";
import { nearest } from "../suggest.ts";
import { readDuration, readWhole } from "./option.ts";
import { UsageError } from "./typed-value.ts";

export interface LoadOptions {
  readonly function: string;
  readonly hook: string;
  readonly name?: string;
  readonly in?: string;
  readonly out?: string;
  readonly match?: string;
  readonly isolate?: string;
  readonly onError?: string;
  readonly family?: string;
  readonly queues?: string;
  readonly deadline?: string;
  readonly timeLimit?: string;
  readonly seed?: string;
  readonly persist?: boolean;
  readonly engine?: string;
  readonly pin?: boolean;
}

export type LoadFields = Takes<"/packetd/script/load">;

/** Gives a command the options that say what to run, and on which packets. */
export function withLoadOptions(command: Command): Command {
  return command
    .requiredOption("-f, --function <NAME>", "the exported function to run")
    .requiredOption(
      "-H, --hook <HOOK>",
      `${HOOKS.join(", ")}; ${INTERFACE_HOOKS.join(", ")} in the kernel only`,
    )
    .option("-n, --name <NAME>", "what it is listed and unloaded by; the function's name when left out")
    .option("-i, --in <IF>", "only packets that came in by this interface; 'veth*' for all that begin so")
    .option("-o, --out <IF>", "only packets that leave by this interface")
    .option(
      "--engine <ENGINE>",
      "auto (the kernel, when the script is the same there), kernel or user",
      "auto",
    )
    .option("-m, --match <EXPR>", "only these packets, in nft's language: 'udp dport 53'")
    .option("--family <FAMILY>", FAMILIES.join(", "), "inet")
    .option("--on-error <VERDICT>", "drop or accept, when the script fails or is not there", "drop")
    .option(
      "--isolate <NAME>",
      "share variables with the scripts of this isolate; one of its own when left out",
    )
    .option("--queues <N>", `spread connections over so many isolates, 1 to ${QUEUE_COUNT_MAX}`, "1")
    .option("--deadline <DURATION>", "how long a verdict that comes later is waited for", "2s")
    .option("--time-limit <DURATION>", "how long one packet may keep the script busy", "500ms")
    .addOption(new Option("--seed <N>", "for context.random: the same sequence each time"))
    .option("--persist", "load it again at every start of packetd")
    .option("--pin", "let a program in the kernel stay when packetd ends, also by kill -9");
}

/**
 * What packetd is asked; as much as can be said without it is checked here.
 * @throws UsageError that names the option.
 */
export function loadFields(file: string, options: LoadOptions): LoadFields {
  const { seed, match } = options;
  const fields: LoadFields = {
    name: options.name ?? nameOf(options.function),
    file: pathOf(file),
    function: options.function,
    hook: word(options.hook, "--hook", HOOKS),
    family: word(options.family ?? "inet", "--family", FAMILIES),
    in: options.in,
    out: options.out,
    match,
    isolate: options.isolate,
    "on-error": word(options.onError ?? "drop", "--on-error", ON_ERROR),
    queues: readWhole(options.queues ?? "1", "--queues", 1, QUEUE_COUNT_MAX),
    deadline: readDuration(options.deadline ?? "2s", "--deadline"),
    "time-limit": readDuration(options.timeLimit ?? "500ms", "--time-limit"),
    seed: seed === undefined ? undefined : readWhole(seed, "--seed", 0, 0xffff_ffff),
    persist: options.persist ?? false,
    engine: word(options.engine ?? "auto", "--engine", ENGINES),
    pin: options.pin ?? false,
    namespace: networkNamespace(),
  };
  checkPlace(fields);
  return fields;
}

/** A function's name may have letters that a script's may not. */
function nameOf(functionName: string): string {
  return functionName.replace(/[^a-zA-Z0-9_-]/g, "_").replace(/^[^a-zA-Z]/, "x");
}

/** @throws UsageError when there is no such file; links are followed, as imports are looked up beside the target. */
function pathOf(file: string): string {
  const path = resolve(file);
  if (existsSync(path)) return realpathSync(path);
  throw new UsageError(
    `Cannot load ${file}: there is no such file; \`metanet script new ${file}\` begins one`,
  );
}

/** @throws UsageError with the words there are, and the one that may be meant. */
function word<Word extends string>(text: string, option: string, words: readonly Word[]): Word {
  const found = words.find((known) => known === text);
  if (found !== undefined) return found;
  const near = nearest(text, words);
  const fix = near === undefined ? "" : `; did you mean ${near}?`;
  throw new UsageError(`Cannot use ${option} ${text}: it takes ${words.join(", ")}${fix}`);
}

/** Interfaces that the hook does not know, and what is no match at all. @throws UsageError */
function checkPlace(fields: LoadFields): void {
  const { name, hook, family, in: inInterface, out: outInterface, match } = fields;
  const interfaces = {
    ...(inInterface === undefined ? {} : { inInterface }),
    ...(outInterface === undefined ? {} : { outInterface }),
  };
  const at = word(hook, "--hook", HOOKS);
  const known = word(family ?? "inet", "--family", FAMILIES);
  const engine = word(fields.engine ?? "auto", "--engine", ENGINES);
  const problem = placeProblem({ hook: at, engine, family: known, ...interfaces });
  if (problem !== undefined) throw new UsageError(`Cannot load ${name}: ${asOptions(problem)}`);
  try {
    if (match !== undefined) checkMatch(match);
    const queued = isInterfaceHook(at) ? "forward" : at;
    checkQueueRule({
      name,
      hook: queued,
      family: known,
      index: 0,
      queueNumber: 0,
      bypass: false,
      ...interfaces,
    });
  } catch (error) {
    if (!(error instanceof ConfigurationError) || error instanceof UsageError) throw error;
    // The rule's fields have other names here.
    const text = error.message.replace("the rule ", "").replace("inInterface", "--in");
    throw new UsageError(text.replace("outInterface", "--out"));
  }
}

/** Options have other names in messages. */
function asOptions(text: string): string {
  return text.replace("engine kernel", "--engine kernel").replace(/'(in|out)'/g, "--$1");
}
