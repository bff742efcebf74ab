/**
 * What a script is asked to be, with defaults, and checked: names go into the text of rules and into file names, so
 * nothing but what was meant may pass here.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import type { Hook } from "#packet/packet.ts";
import type {
  EngineChoice,
  InterfaceHook,
  OnError,
  ScriptFamily,
  ScriptHook,
  ScriptSpec,
} from "#script/engine.ts";

/** What may be asked for a script; the first four must be. */
export interface ScriptOptions {
  readonly name: string;
  /** The module's absolute path. */
  readonly file: string;
  readonly function: string;
  readonly hook: string;
  readonly family?: string | undefined;
  readonly in?: string | undefined;
  readonly out?: string | undefined;
  readonly match?: string | undefined;
  /** Default: one of its own. */
  readonly isolate?: string | undefined;
  readonly onError?: string | undefined;
  readonly queues?: number | undefined;
  readonly deadline?: Duration | undefined;
  readonly timeLimit?: Duration | undefined;
  readonly seed?: number | undefined;
  readonly engine?: string | undefined;
  readonly pin?: boolean | undefined;
}

/** Netfilter's hooks. */
export const QUEUE_HOOKS: readonly Hook[] = ["prerouting", "input", "forward", "output", "postrouting"];
/** Hooks of interfaces, for scripts in the kernel. */
export const INTERFACE_HOOKS: readonly InterfaceHook[] = ["ingress", "egress", "xdp"];
export const HOOKS: readonly ScriptHook[] = [...QUEUE_HOOKS, ...INTERFACE_HOOKS];
export const ENGINES: readonly EngineChoice[] = ["auto", "kernel", "user"];
export const FAMILIES: readonly ScriptFamily[] = ["inet", "ip", "ip6", "bridge"];
export const ON_ERROR: readonly OnError[] = ["drop", "accept"];

/** Queues of one script at the most. */
export const QUEUE_COUNT_MAX = 64;

export const DEFAULT_FAMILY: ScriptFamily = "inet";
/** A script that fails must not become an open door. */
export const DEFAULT_ON_ERROR: OnError = "drop";
/** The kernel, where a script is exactly the same there. */
export const DEFAULT_ENGINE: EngineChoice = "auto";
export const DEFAULT_DEADLINE: Duration = seconds(2);
/** Long enough for cold code and a collection on a busy machine; what loops for ever costs no more than this. */
export const DEFAULT_TIME_LIMIT: Duration = milliseconds(500);

const NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,63}$/;
const FUNCTION_NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]{0,127}$/u;

/** @throws ConfigurationError that names the option, what was wrong, and what it takes. */
export function scriptSpec(options: ScriptOptions): ScriptSpec {
  const { name, file } = options;
  const refuse = (option: string, value: unknown, wanted: string): never => {
    throw new ConfigurationError(`Cannot load script '${name}': ${option} '${value}' is not ${wanted}`);
  };
  const word = <Word extends string>(option: string, value: string, words: readonly Word[]): Word =>
    words.find((known) => known === value) ?? refuse(option, value, `one of ${words.join(", ")}`);
  const time = (option: string, value: Duration): Duration =>
    Number.isFinite(value) && value > 0 ? value : refuse(option, value, "a length of time");
  const { isolate = name, queues = 1 } = options;
  for (const [option, value] of Object.entries({ name, isolate })) {
    if (!NAME.test(value)) refuse(option, value, "a letter and up to 63 of a-z A-Z 0-9 _ -");
  }
  if (!file.startsWith("/") || file.includes("\0")) refuse("file", file, "an absolute path");
  if (!FUNCTION_NAME.test(options.function)) refuse("function", options.function, "the name of a function");
  if (!Number.isInteger(queues) || queues < 1 || queues > QUEUE_COUNT_MAX) {
    refuse("queues", queues, `a whole number from 1 to ${QUEUE_COUNT_MAX}`);
  }
  const spec: ScriptSpec = {
    name,
    file,
    function: options.function,
    hook: word("hook", options.hook, HOOKS),
    family: word("family", options.family ?? DEFAULT_FAMILY, FAMILIES),
    ...(options.in === undefined ? {} : { inInterface: options.in }),
    ...(options.out === undefined ? {} : { outInterface: options.out }),
    ...(options.match === undefined ? {} : { match: options.match }),
    isolate,
    onError: word("on-error", options.onError ?? DEFAULT_ON_ERROR, ON_ERROR),
    queueCount: queues,
    deadline: time("deadline", options.deadline ?? DEFAULT_DEADLINE),
    timeLimit: time("time-limit", options.timeLimit ?? DEFAULT_TIME_LIMIT),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    engine: word("engine", options.engine ?? DEFAULT_ENGINE, ENGINES),
    pin: options.pin ?? false,
  };
  const problem = placeProblem(spec);
  if (problem !== undefined) throw new ConfigurationError(`Cannot load script '${name}': ${problem}`);
  return spec;
}

/** What hooks of interfaces want; `undefined` when it is there. */
export function placeProblem({
  hook,
  engine,
  inInterface,
  outInterface,
  family,
}: Pick<ScriptSpec, "hook" | "engine" | "inInterface" | "outInterface" | "family">): string | undefined {
  if (!isInterfaceHook(hook)) return undefined;
  if (engine === "user") return `${hook} is in the kernel only; take engine kernel, or another hook`;
  const [own, other, option] =
    hook === "egress" ? [outInterface, inInterface, "out"] : [inInterface, outInterface, "in"];
  if (own === undefined) return `${hook} is the hook of one interface; name it with '${option}'`;
  if (own.endsWith("*")) return `${hook} is the hook of one interface, and '${own}' names several`;
  if (other !== undefined) return `packets at ${hook} have one interface only; leave out '${other}'`;
  if (family !== DEFAULT_FAMILY) return `${hook} shows frames of every family; leave out '${family}'`;
  return undefined;
}

export function isInterfaceHook(hook: ScriptHook): hook is InterfaceHook {
  return (INTERFACE_HOOKS as readonly ScriptHook[]).includes(hook);
}
