/**
 * Carries out what the {@link Supervision} decides: child processes, the state file, signals. It opens no socket
 * and joins no link; of its children it sees their ends, a byte when they are ready, and their log lines.
 * @module
 */
import type { Clock, Timer } from "#base/clock.ts";
import { UnavailableError } from "#base/errors.ts";
import { between, milliseconds } from "#base/time.ts";
import { formatDuration } from "../duration.ts";
import { Child } from "./child.ts";
import type { LogSink } from "./log.ts";
import { claim, removeState, startTicksOf, writeState } from "./state-file.ts";
import {
  type ServicePlan,
  Supervision,
  type SupervisionAction,
  type SupervisionEvent,
} from "./supervision.ts";

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly directory: string;
  /** The configuration's file, for people. */
  readonly configuration: string;
  readonly plans: readonly ServicePlan[];
  readonly commandOf: (name: string) => readonly [program: string, ...args: string[]];
  /** What a service reads from its standard input. */
  readonly inputOf: (name: string) => string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly log: LogSink;
  /** The supervisor's own messages. */
  readonly note: (level: "info" | "warn" | "error", text: string) => void;
  /** Every service is ready. */
  readonly onUp: () => void;
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #supervision: Supervision;
  readonly #children: Map<string, Child> = new Map();
  readonly #ended: PromiseWithResolvers<string | undefined> = Promise.withResolvers();
  readonly #since: number;
  /** The state file is ours to write and to remove. */
  #claimed = false;
  #timer: Timer | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#since = options.clock.now();
    this.#supervision = new Supervision(options.plans, options.clock.now());
  }

  /**
   * Takes the run directory and starts the services.
   * @throws ConfigurationError when somebody else supervises there.
   */
  start(): void {
    claim(this.#options.directory, this.#state());
    this.#claimed = true;
    this.#handle({ kind: "start" });
  }

  /** Ends the services in their order; {@link ended} tells when. */
  stop(): void {
    this.#handle({ kind: "stop" });
  }

  /** Starts services again, with what `inputOf` gives by now. */
  restart(names: readonly string[]): void {
    this.#handle({ kind: "restart", names });
  }

  /**
   * Resolves when every service has ended and the run directory is given back.
   * The value names the service that could not be started, if that is why.
   */
  get ended(): Promise<string | undefined> {
    return this.#ended.promise;
  }

  #handle(event: SupervisionEvent): void {
    const { clock } = this.#options;
    for (const action of this.#supervision.handle(event, clock.now())) this.#act(action);
    this.#timer?.cancel();
    const wakeAt = this.#supervision.wakeAt();
    if (wakeAt !== undefined) {
      const delay = milliseconds(Math.max(0, between(clock.now(), wakeAt)));
      this.#timer = clock.after(delay, () => this.#handle({ kind: "time" }));
    }
    this.#save();
  }

  #act(action: SupervisionAction): void {
    switch (action.kind) {
      case "spawn":
        this.#spawn(action.name);
        break;
      case "terminate":
        this.#children.get(action.name)?.signal("SIGTERM");
        break;
      case "kill":
        this.#options.note("warn", `${action.name} took too long and is killed`);
        this.#children.get(action.name)?.signal("SIGKILL");
        break;
      case "up":
        this.#options.onUp();
        break;
      case "down":
        this.#ended.resolve(action.failed);
    }
  }

  #spawn(name: string): void {
    const { commandOf, inputOf, environment, log } = this.#options;
    const child = new Child({
      name,
      command: commandOf(name),
      input: inputOf(name),
      environment,
      log,
      onReady: () => {
        this.#options.note("info", `${name} is ready`);
        this.#handle({ kind: "ready", name });
      },
      onExit: (code, how) => {
        this.#children.delete(name);
        this.#handle({ kind: "exit", name, code });
        this.#tellExit(name, how);
      },
    });
    this.#children.set(name, child);
  }

  #tellExit(name: string, how: string): void {
    const { clock, note } = this.#options;
    const status = this.#supervision.status().find((service) => service.name === name);
    if (status?.state === "stopped") note("info", `${name} has ended (${how})`);
    else if (status?.state === "pausing") {
      const pause = between(clock.now(), status.wakeAt ?? clock.now());
      note("error", `${name} ended (${how}); start ${status.restarts + 1} in ${formatDuration(pause)}`);
    } else note("warn", `${name} ended (${how}); it is started again`);
  }

  #state(): Parameters<typeof writeState>[1] {
    const startTicks = startTicksOf(process.pid);
    if (startTicks === undefined) throw new UnavailableError("Cannot supervise: /proc is not there");
    const services = this.#supervision
      .status()
      .map(({ wakeAt: _, ...status }) => ({ ...status, pid: this.#children.get(status.name)?.pid }));
    const { configuration } = this.#options;
    return { pid: process.pid, startTicks, since: this.#since, configuration, single: false, services };
  }

  #save(): void {
    if (!this.#claimed) return;
    const over = this.#supervision.status().every(({ state }) => state === "stopped");
    if (over) {
      this.#timer?.cancel();
      removeState(this.#options.directory);
    } else this.#write();
  }

  /** A full disk or a run directory that somebody removed is no reason to let go of the services. */
  #write(): void {
    try {
      writeState(this.#options.directory, this.#state());
    } catch (error) {
      this.#options.note("warn", `Cannot write the state for \`metanet status\`: ${String(error)}`);
    }
  }
}
