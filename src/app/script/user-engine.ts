/**
 * Runs packet scripts in user space, over netfilter's queues. This thread opens the queues, loads the rules that bring
 * packets to them, and watches the isolates, which are threads that read the queues and run the scripts.
 * @module
 */
import { randomInt } from "node:crypto";
import { ConfigurationError, LimitExceededError } from "#base/errors.ts";
import { milliseconds } from "#base/time.ts";
import { COPY_RANGE_BYTES_MAX, type PacketQueueOptions, QueueUnsupportedError } from "#io/packet-queue.ts";
import { QUEUE_HOOKS, type QueueRules, RULE_INDEX_MAX } from "#io/queue-rules.ts";
import type { Hook } from "#packet/packet.ts";
import type { ScriptBus } from "#script/context.ts";
import type { LoadedScript, QueuedSpec, ScriptEngine, ScriptSpec } from "#script/engine.ts";
import { HELD_COUNT_MAX } from "#script/held.ts";
import type { MapDirectory } from "#script/map-directory.ts";
import { decodeTuples, encodeTuples } from "#wire/cbor.ts";
import type { ScriptNeeds } from "./analysis.ts";
import { connectionLookupProblem } from "./connection-lookup.ts";
import { IsolateGroup } from "./isolate-group.ts";
import { fieldsOf, tuplesOf } from "./isolate-host.ts";
import { WATCH_INTERVAL } from "./isolate-limits.ts";
import type { FromIsolate, ProbedModule, QueueDescription, VersionDescription } from "./isolate-messages.ts";
import { type CountMemory, LoadedEntry, newCountMemory, type QueueSettings } from "./loaded-entry.ts";
import { probeScript } from "./probe.ts";
import { closeQueues, QueueNumbers } from "./queue-numbers.ts";
import { ScriptReader } from "./script-reader.ts";

/** Packets that wait for a script at most, held ones included. */
export const QUEUE_LENGTH_MAX = 8192;
/** Milliseconds beyond its deadline that a held packet has until the queue is closed over it. */
const LEAVE_PATIENCE = 500;
const READ_ONLY =
  "the script is loaded as one that only reads, and sees aggregates of packets; " +
  "export `const options = { writes: true }` from its module";

export interface UserEngineOptions {
  readonly rules: QueueRules;
  readonly maps: MapDirectory;
  /** Queues are numbered from here on; 27904 (0x6d00) at first. */
  readonly queueNumberFirst?: number;
  /** Places at a hook where programs in the kernel stand, or others. */
  readonly takenPlaces?: (hook: Hook) => readonly number[];
  /** A line that a script wrote. */
  readonly scriptSaid?: (script: string, text: string) => void;
  /** What went wrong around a script. */
  readonly trouble?: (script: string, text: string) => void;
  /** The bus, as a script has it; without one, calls are refused. */
  readonly bus?: (script: string) => ScriptBus;
}

export class UserScriptEngine implements ScriptEngine {
  readonly #options: UserEngineOptions;
  readonly #entries = new Map<string, LoadedEntry>();
  /** Those that are to be loaded, and have only a rule. */
  readonly #reserved = new Map<string, Pick<LoadedEntry, "spec" | "index">>();
  readonly #groups = new Set<IsolateGroup>();
  readonly #reader = new ScriptReader();
  readonly #numbers: QueueNumbers;
  #keyCount = 0;
  #watch: NodeJS.Timeout | undefined;
  /** One change after the other. */
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: UserEngineOptions) {
    this.#options = options;
    this.#numbers = new QueueNumbers(options.queueNumberFirst);
  }

  load(spec: ScriptSpec): Promise<LoadedScript> {
    return this.#next(async () => {
      if (this.#isClosed) throw new ConfigurationError(`Cannot load ${spec.name}: the engine is closed`);
      checkSpec(spec);
      const { file, function: functionName } = spec;
      const module = await probeScript(file, functionName);
      const settings = settingsOf(await this.#reader.read(file, functionName, module.options), module);
      const before = this.#entries.get(spec.name);
      const entry =
        before && isSameWay(before, spec, settings)
          ? await this.#reload(before, spec)
          : await this.#loadAnew(spec, settings, before);
      return entry.describe();
    });
  }

  reserve(all: readonly ScriptSpec[]): Promise<readonly string[]> {
    return this.#next(async () => {
      const specs = all.filter(isQueued);
      for (const spec of specs) this.#reserved.set(spec.name, { spec, index: this.#freeIndex(spec) });
      const rules = [...this.#reserved.values()].map(({ spec, index }) => ruleOf({ spec, index }));
      const refused = await this.#options.rules.reserve(rules);
      for (const name of refused) this.#reserved.delete(name);
      return [...refused, ...all.filter((spec) => !isQueued(spec)).map(({ name }) => name)];
    });
  }

  repair(): Promise<readonly string[]> {
    return this.#next(() => this.#options.rules.repair());
  }

  unload(name: string): Promise<boolean> {
    return this.#next(() => this.#unload(name));
  }

  async list(): Promise<readonly LoadedScript[]> {
    return [...this.#entries.values()].map((entry) => entry.describe());
  }

  /** Places at a hook that scripts have, or are to have. */
  places(hook: Hook): number[] {
    const all = [...this.#entries.values(), ...this.#reserved.values()];
    return all.filter(({ spec }) => spec.hook === hook).map(({ index }) => index);
  }

  close(): Promise<void> {
    return this.#next(async () => {
      this.#isClosed = true;
      for (const name of [...this.#entries.keys(), ...this.#reserved.keys()].reverse()) {
        await this.#unload(name);
      }
      this.#reader.close();
    });
  }

  #next<R>(action: () => Promise<R>): Promise<R> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** The same queue, and between two batches another version: the kernel notices nothing. */
  async #reload(entry: LoadedEntry, spec: QueuedSpec): Promise<LoadedEntry> {
    const { group, memories, settings } = entry;
    const versions = this.#versions(spec, settings, memories);
    await this.#loadAll(group, versions);
    await this.#beginAll(entry, versions);
    entry.spec = spec;
    entry.versions = versions;
    entry.version++;
    return entry;
  }

  /** Queues of its own, then the rule in one step, and what waits on the queues of before is seen to. */
  async #loadAnew(spec: QueuedSpec, settings: QueueSettings, before?: LoadedEntry): Promise<LoadedEntry> {
    const { rules } = this.#options;
    const group = this.#groupFor(spec);
    const reserved = this.#reserved.get(spec.name);
    const stands = before ?? reserved;
    const index = stands && stands.spec.hook === spec.hook ? stands.index : this.#freeIndex(spec);
    const memories = group.threads.map(newCountMemory);
    const versions = this.#versions(spec, settings, memories);
    let entry: LoadedEntry | undefined;
    try {
      await this.#loadAll(group, versions);
      const queues = this.#openQueues(spec, settings);
      const version = (before?.version ?? 0) + 1;
      entry = new LoadedEntry({ spec, settings, group, queues, versions, version, index, memories }, before);
      await this.#beginAll(entry, versions);
      this.#entries.set(spec.name, entry);
      this.markDone();
      if (stands && stands.spec.family !== spec.family) await rules.unload(spec.name);
      await rules.load(ruleOf(entry));
      this.#reserved.delete(spec.name);
    } catch (error) {
      if (before) this.#entries.set(spec.name, before);
      else this.#entries.delete(spec.name);
      if (entry) await this.#leave(entry);
      else for (const [member, thread] of group.threads.entries()) thread.discard(versions[member]?.key ?? 0);
      await this.#closeUnused();
      throw error;
    }
    if (before) await this.#leave(before);
    await this.#closeUnused();
    this.#watch ??= setInterval(() => this.#look(), WATCH_INTERVAL);
    return entry;
  }

  /** Connections are asked for where queues bring none; what only perhaps wants them runs without, if need be. */
  #openQueues(spec: QueuedSpec, settings: QueueSettings): QueueDescription[] {
    const options = queueOptions(spec, settings);
    try {
      return this.#numbers.open(spec.queueCount, options, HELD_COUNT_MAX);
    } catch (error) {
      if (!(error instanceof QueueUnsupportedError) || !options.conntrack) throw error;
      const problem = connectionLookupProblem();
      if (problem && settings.insistsOnConnection) throw error;
      if (problem) this.#options.trouble?.(spec.name, `packet.connection is undefined: ${problem}`);
      const queues = this.#numbers.open(spec.queueCount, { ...options, conntrack: false }, HELD_COUNT_MAX);
      return queues.map((queue) => ({ ...queue, looksUpConnections: problem === undefined }));
    }
  }

  async #unload(name: string): Promise<boolean> {
    const entry = this.#entries.get(name);
    const { rules } = this.#options;
    if (entry === undefined) {
      if (!this.#reserved.delete(name)) return false;
      await rules.unload(name);
      this.markDone();
      return true;
    }
    // Chains that leave their hook make the kernel drop what waits: so they do when nothing waits any more.
    await rules.detach(name);
    await this.#leave(entry);
    await rules.unload(name);
    this.#entries.delete(name);
    this.markDone();
    await this.#closeUnused();
    return true;
  }

  /** Lets what waits on its queues have verdicts, and closes them. */
  async #leave(entry: LoadedEntry): Promise<void> {
    if (entry.isFailed) return;
    const patience = entry.spec.deadline + LEAVE_PATIENCE;
    await entry.group.all((thread, member) =>
      thread.leave(entry.queues[member]?.options.queueNumber ?? -1, patience),
    );
    closeQueues(entry.queues);
  }

  #versions(
    spec: QueuedSpec,
    settings: QueueSettings,
    memories: readonly CountMemory[],
  ): VersionDescription[] {
    const seed = spec.seed ?? randomInt(2 ** 32);
    const readOnly = settings.isWriting ? "" : READ_ONLY;
    // Threads with one seed would all draw the same.
    return memories.map((memory, member) => ({
      spec,
      key: ++this.#keyCount,
      seed: seed + member,
      readOnly,
      ...memory,
    }));
  }

  async #loadAll(group: IsolateGroup, versions: readonly VersionDescription[]): Promise<void> {
    await group.all(async (thread, member) => {
      const version = versions[member];
      if (version) await thread.load(version);
    });
  }

  async #beginAll(entry: LoadedEntry, versions: readonly VersionDescription[]): Promise<void> {
    const { group, queues, index, spec } = entry;
    const doneMark = this.#doneMark(spec, index);
    await group.all(async (thread, member) => {
      const [version, queue] = [versions[member], queues[member]];
      if (version && queue) await thread.begin(version, queue, doneMark);
    });
  }

  /** The bit that makes packets skip the scripts behind this one; none when there are none. */
  #doneMark({ hook, name }: QueuedSpec, index: number): number {
    const isBehind = [...this.#entries.values(), ...this.#reserved.values()].some(
      (other) => other.spec.hook === hook && other.index > index && other.spec.name !== name,
    );
    const isAnywhere = isBehind || (this.#options.takenPlaces?.(hook) ?? []).some((place) => place > index);
    return isAnywhere ? this.#options.rules.marks.done : 0;
  }

  /** To be called when others have come to a hook, or gone: what is accepted may have scripts to skip. */
  markDone(): void {
    for (const { spec, index, group, queues } of this.#entries.values()) {
      const bits = this.#doneMark(spec, index);
      for (const [member, thread] of group.threads.entries()) {
        const queue = queues[member];
        if (queue) thread.setDoneMark(queue.options.queueNumber, bits);
      }
    }
  }

  /** Scripts run in the order of their loading. */
  #freeIndex({ name, hook, place }: QueuedSpec): number {
    if (place !== undefined) return place;
    const used = [...this.places(hook), ...(this.#options.takenPlaces?.(hook) ?? [])];
    const behind = Math.max(-1, ...used) + 1;
    if (behind <= RULE_INDEX_MAX) return behind;
    for (let index = 0; index <= RULE_INDEX_MAX; index++) if (!used.includes(index)) return index;
    throw new LimitExceededError(
      `Cannot load ${name}: there are ${RULE_INDEX_MAX + 1} scripts at ${hook}; unload one of them`,
    );
  }

  #groupFor({ name, isolate, queueCount }: QueuedSpec): IsolateGroup {
    for (const known of this.#groups) {
      if (known.name !== isolate || known.state === "failed") continue;
      if (known.threads.length === queueCount) return known;
      if (this.#entriesOf(known).every((entry) => entry.spec.name === name)) continue;
      throw new ConfigurationError(
        `Cannot load ${name} with ${queueCount} queues: isolate ${isolate} has ${known.threads.length}; ` +
          "take as many, or another isolate",
      );
    }
    const { maps, rules } = this.#options;
    const group: IsolateGroup = new IsolateGroup(isolate, queueCount, (member) => ({
      isolate,
      maps,
      sentMark: rules.marks.sent,
      events: {
        died: (death) => {
          for (const entry of this.#entriesOf(group)) {
            entry.threadDied(member);
            if (entry.versions[member]?.key === death.key) entry.addFault(member, death);
          }
        },
        stateChanged: (state) => {
          if (state === "failed") this.#giveUp(group);
        },
        said: (message) => this.#heard(group, member, message),
      },
    }));
    this.#groups.add(group);
    return group;
  }

  #entriesOf(group: IsolateGroup): LoadedEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.group === group);
  }

  /** Without a reader the kernel does what the rule says: it passes packets by, or drops them. */
  #giveUp(group: IsolateGroup): void {
    void this.#next(async () => {
      for (const entry of this.#entriesOf(group)) {
        if (entry.isFailed) continue;
        await this.#leave(entry);
        entry.isFailed = true;
        this.#options.trouble?.(entry.spec.name, "failed too often, and is not started again");
      }
    });
  }

  async #closeUnused(): Promise<void> {
    for (const group of this.#groups) {
      if (this.#entriesOf(group).length > 0) continue;
      this.#groups.delete(group);
      await group.close();
    }
    if (this.#entries.size > 0) return;
    // Nobody is left who could miss them, and who loads scripts anew may want other options.
    for (const { name } of this.#options.maps.list()) this.#options.maps.remove(name);
    clearInterval(this.#watch);
    this.#watch = undefined;
  }

  #look(): void {
    const now = performance.now();
    for (const group of this.#groups) for (const thread of group.threads) thread.watch(now);
  }

  #heard(group: IsolateGroup, member: number, message: FromIsolate): void {
    const { scriptSaid, trouble, bus } = this.#options;
    switch (message.say) {
      case "faults":
        for (const entry of this.#entriesOf(group)) {
          if (entry.spec.name === message.name) entry.faultsTold(member, message.faults);
        }
        return;
      case "log":
        scriptSaid?.(message.name, message.text);
        return;
      case "trouble":
        trouble?.(message.name, message.text);
        return;
      case "post":
        bus?.(message.name).post(message.address, fieldsOf(decodeTuples(message.fields)));
        return;
      case "call":
        void this.#call(group, member, message);
        return;
    }
  }

  async #call(
    group: IsolateGroup,
    member: number,
    call: Extract<FromIsolate, { say: "call" }>,
  ): Promise<void> {
    const thread = group.threads[member];
    try {
      const { bus } = this.#options;
      if (bus === undefined)
        throw new ConfigurationError(`Cannot call ${call.address}: there is no bus here`);
      const timeout = call.timeout === undefined ? {} : { timeout: milliseconds(call.timeout) };
      const fields = fieldsOf(decodeTuples(call.fields));
      const answer = await bus(call.name).call(call.address, fields, timeout);
      thread?.answer(call.call, encodeTuples(tuplesOf(answer)));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "unavailable";
      const message = error instanceof Error ? error.message : String(error);
      thread?.answer(call.call, undefined, { code, message });
    }
  }
}

function isQueued(spec: ScriptSpec): spec is QueuedSpec {
  return (QUEUE_HOOKS as readonly string[]).includes(spec.hook);
}

/** @throws ConfigurationError */
function checkSpec(spec: ScriptSpec): asserts spec is QueuedSpec {
  const { name, queueCount, deadline, timeLimit } = spec;
  if (!isQueued(spec)) {
    throw new ConfigurationError(`Cannot load ${name}: ${spec.hook} is in the kernel only`);
  }
  if (!Number.isInteger(queueCount) || queueCount < 1 || queueCount > 64) {
    throw new ConfigurationError(`Cannot load ${name} with ${queueCount} queues: not 1 to 64`);
  }
  if (!(deadline > 0 && Number.isFinite(deadline))) {
    throw new ConfigurationError(`Cannot load ${name} with a deadline of ${deadline} ms: not above 0`);
  }
  if (!(timeLimit >= 20 && timeLimit <= 60_000)) {
    throw new ConfigurationError(`Cannot load ${name} with a time limit of ${timeLimit} ms: not 20 to 60000`);
  }
}

function settingsOf(needs: ScriptNeeds, { options, maySend }: ProbedModule): QueueSettings {
  const { isWriting, readBytes } = needs;
  // The kernel completes checksums only of packets that come one by one: copies of others are not fit to be sent.
  const { aggregates = !maySend, connection } = options;
  return {
    isWriting,
    hasAggregates: aggregates && !isWriting,
    copyRangeBytes: Math.min(isWriting || maySend ? COPY_RANGE_BYTES_MAX : readBytes, COPY_RANGE_BYTES_MAX),
    connection: needs.connection,
    insistsOnConnection: connection === true,
  };
}

function queueOptions(spec: QueuedSpec, settings: QueueSettings): Omit<PacketQueueOptions, "queueNumber"> {
  return {
    copyRangeBytes: settings.copyRangeBytes,
    queueLengthMax: QUEUE_LENGTH_MAX,
    failOpen: spec.onError === "accept",
    // Checksums of aggregates are not complete: whoever changes one makes segments with wrong ones of it.
    segmented: settings.hasAggregates,
    conntrack: settings.connection,
  };
}

function ruleOf({ spec, settings, index, queues = [] }: RuleSource): Parameters<QueueRules["load"]>[0] {
  const { name, family, hook, inInterface, outInterface, match, onError, queueCount, handOverMark } = spec;
  return {
    name,
    family,
    hook,
    index,
    queueNumber: queues[0]?.options.queueNumber ?? 0,
    queueCount,
    bypass: onError === "accept",
    tracksConnections: settings?.connection ?? false,
    ...(inInterface === undefined ? {} : { inInterface }),
    ...(outInterface === undefined ? {} : { outInterface }),
    ...(match === undefined ? {} : { match }),
    ...(handOverMark === undefined ? {} : { handOverMark }),
  };
}

/** A script with its queues, or without any yet. */
type RuleSource = Pick<LoadedEntry, "spec" | "index"> & Partial<Pick<LoadedEntry, "settings" | "queues">>;

/** Whether the version can be swapped where it is, without the kernel. */
function isSameWay(before: LoadedEntry, spec: QueuedSpec, settings: QueueSettings): boolean {
  if (before.isFailed || before.group.state !== "running") return false;
  const way = ({
    hook,
    family,
    inInterface,
    outInterface,
    match,
    isolate,
    onError,
    queueCount,
    handOverMark,
  }: QueuedSpec) =>
    JSON.stringify([
      hook,
      family,
      inInterface,
      outInterface,
      match,
      isolate,
      onError,
      queueCount,
      handOverMark,
    ]);
  const own = before.settings;
  return (
    way(before.spec) === way(spec) &&
    own.isWriting === settings.isWriting &&
    own.hasAggregates === settings.hasAggregates &&
    own.copyRangeBytes === settings.copyRangeBytes &&
    own.connection === settings.connection
  );
}
