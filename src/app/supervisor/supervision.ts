/**
 * Decides when services are started, restarted and stopped. It is told what happened and when, and returns what
 * to do; it starts nothing and waits for nothing itself.
 *
 * A service that ends is started again: at once the first time, then after a pause that doubles from
 * {@link PAUSE_MIN} to {@link PAUSE_MAX}, and is forgotten after {@link HEALTHY_AFTER} of health. A service that
 * cannot run with its configuration, or fails {@link START_FAILURE_COUNT_MAX} times before all have been ready, ends
 * the start-up of all: no machine stays half configured.
 * @module
 */
import { after, type Duration, type Instant, milliseconds, seconds } from "#base/time.ts";

/** The pause before a service is started again after it failed for the first time. */
export const PAUSE_MIN: Duration = milliseconds(200);

/** The longest pause. */
export const PAUSE_MAX: Duration = seconds(30);

/** How long a service must be ready until its failures are forgotten. */
export const HEALTHY_AFTER: Duration = seconds(60);

/** How long a service may take to be ready; then it is ended and counts as failed. */
export const READY_WITHIN: Duration = seconds(15);

/** How long a service may take to end when it is asked to; then it is killed. */
export const STOP_WITHIN: Duration = seconds(5);

/**
 * How often a service may fail while the gateway starts. More than once: what a gateway that was killed has left, such
 * as its ports, is free a moment later.
 */
export const START_FAILURE_COUNT_MAX = 5;

/** What a service exits with when its configuration is the reason (sysexits.h, EX_CONFIG). */
export const EXIT_CONFIGURATION = 78;

export interface ServicePlan {
  readonly name: string;
  /** Names of the services that must be ready before, and end after, this one. */
  readonly after: readonly string[];
}

/**
 * `waiting` for others or for its turn, `starting` until it says it is ready, `ready`, `pausing` before it is started
 * again, `stopping` until it has ended, `stopped`.
 */
export type ServiceState = "waiting" | "starting" | "ready" | "pausing" | "stopping" | "stopped";

export type SupervisionEvent =
  | { readonly kind: "start" }
  | { readonly kind: "ready"; readonly name: string }
  | { readonly kind: "exit"; readonly name: string; readonly code: number | undefined }
  /** Starts these again with their new configuration. */
  | { readonly kind: "restart"; readonly names: readonly string[] }
  | { readonly kind: "stop" }
  | { readonly kind: "time" };

export type SupervisionAction =
  | { readonly kind: "spawn"; readonly name: string }
  | { readonly kind: "terminate"; readonly name: string }
  | { readonly kind: "kill"; readonly name: string }
  /** Every service has been ready. */
  | { readonly kind: "up" }
  /** Every service has ended; `failed` names the one that could not be started, if that is why. */
  | { readonly kind: "down"; readonly failed: string | undefined };

export interface ServiceStatus {
  readonly name: string;
  readonly state: ServiceState;
  /** Times it was started again. */
  readonly restarts: number;
  /** Since when it is in this state. */
  readonly since: Instant;
  /** When its pause, patience or probation is over. */
  readonly wakeAt: Instant | undefined;
}

interface Service {
  readonly plan: ServicePlan;
  state: ServiceState;
  since: Instant;
  restarts: number;
  /** How often it has ended without being asked to. */
  failures: number;
  /** The pause before the next start; 0 after a time of health. */
  pause: Duration;
  /** When something is due: the end of a pause, of patience, or of probation. */
  wakeAt: Instant | undefined;
  /** Told to end so that it can start again. */
  restarting: boolean;
}

export class Supervision {
  readonly #services: ReadonlyMap<string, Service>;
  #stopping = false;
  /** Every service has been ready once. */
  #up = false;
  #down = false;
  #failed: string | undefined;

  constructor(plans: readonly ServicePlan[], now: Instant) {
    this.#services = new Map(
      plans.map((plan) => [
        plan.name,
        {
          plan,
          state: "stopped",
          since: now,
          restarts: 0,
          failures: 0,
          pause: milliseconds(0),
          wakeAt: undefined,
          restarting: false,
        },
      ]),
    );
  }

  status(): ServiceStatus[] {
    return [...this.#services.values()].map(({ plan, state, restarts, since, wakeAt }) => ({
      name: plan.name,
      state,
      restarts,
      since,
      wakeAt,
    }));
  }

  /** When the machine wants to be told `time` again; `undefined` when it waits for events only. */
  wakeAt(): Instant | undefined {
    const due = [...this.#services.values()].flatMap(({ wakeAt }) => (wakeAt === undefined ? [] : [wakeAt]));
    return due.length > 0 ? (Math.min(...due) as Instant) : undefined;
  }

  handle(event: SupervisionEvent, now: Instant): readonly SupervisionAction[] {
    const actions: SupervisionAction[] = [];
    switch (event.kind) {
      case "start":
        for (const service of this.#services.values()) this.#enter(service, "waiting", now);
        break;
      case "ready":
        this.#ready(event.name, now);
        break;
      case "exit":
        this.#exit(event.name, event.code, now);
        break;
      case "restart":
        for (const name of event.names) this.#restart(name, now, actions);
        break;
      case "stop":
        this.#stopping = true;
        break;
      case "time":
        for (const service of this.#services.values()) this.#time(service, now, actions);
        break;
    }
    this.#advance(now, actions);
    return actions;
  }

  /** Starts what waits and may start, stops what runs and may stop, and says when all is up or down. */
  #advance(now: Instant, actions: SupervisionAction[]): void {
    for (const service of this.#services.values()) {
      if (this.#stopping) this.#advanceStop(service, now, actions);
      else if (service.state === "waiting" && this.#mayStart(service)) {
        this.#enter(service, "starting", now, after(now, READY_WITHIN));
        actions.push({ kind: "spawn", name: service.plan.name });
      }
    }
    const all = [...this.#services.values()];
    if (!this.#up && !this.#stopping && all.every(({ state }) => state === "ready")) {
      this.#up = true;
      actions.push({ kind: "up" });
    }
    if (this.#stopping && !this.#down && all.every(({ state }) => state === "stopped")) {
      this.#down = true;
      actions.push({ kind: "down", failed: this.#failed });
    }
  }

  #advanceStop(service: Service, now: Instant, actions: SupervisionAction[]): void {
    if (service.state === "waiting" || service.state === "pausing") this.#enter(service, "stopped", now);
    if (service.state !== "starting" && service.state !== "ready") return;
    const dependants = [...this.#services.values()].filter(({ plan }) =>
      plan.after.includes(service.plan.name),
    );
    if (dependants.some(({ state }) => isRunning(state))) return;
    this.#terminate(service, now, actions);
  }

  #mayStart(service: Service): boolean {
    // Once up, a dependant does not wait for what it depends on: messages wait for the process to come back.
    return this.#up || service.plan.after.every((name) => this.#services.get(name)?.state === "ready");
  }

  #ready(name: string, now: Instant): void {
    const service = this.#services.get(name);
    if (service?.state === "starting") this.#enter(service, "ready", now, after(now, HEALTHY_AFTER));
  }

  #exit(name: string, code: number | undefined, now: Instant): void {
    const service = this.#services.get(name);
    if (!service || !isRunning(service.state)) return;
    if (!service.restarting) service.failures++;
    const isHopeless = code === EXIT_CONFIGURATION || service.failures >= START_FAILURE_COUNT_MAX;
    if (isHopeless && !this.#up && !this.#stopping) {
      this.#failed = name;
      this.#stopping = true;
    }
    if (this.#stopping) {
      this.#enter(service, "stopped", now);
      return;
    }
    service.restarts++;
    const pause = service.pause;
    if (service.restarting || pause === 0) this.#enter(service, "waiting", now);
    else this.#enter(service, "pausing", now, after(now, pause));
    if (!service.restarting) {
      service.pause = milliseconds(Math.min(PAUSE_MAX, Math.max(PAUSE_MIN, pause * 2)));
    }
    service.restarting = false;
  }

  #restart(name: string, now: Instant, actions: SupervisionAction[]): void {
    const service = this.#services.get(name);
    if (!service || this.#stopping) return;
    service.pause = milliseconds(0);
    if (service.state === "pausing") this.#enter(service, "waiting", now);
    if (service.state !== "starting" && service.state !== "ready") return;
    service.restarting = true;
    this.#terminate(service, now, actions);
  }

  #time(service: Service, now: Instant, actions: SupervisionAction[]): void {
    if (service.wakeAt === undefined || service.wakeAt > now) return;
    service.wakeAt = undefined;
    switch (service.state) {
      case "pausing":
        this.#enter(service, "waiting", now);
        break;
      case "ready":
        service.pause = milliseconds(0);
        break;
      case "starting":
      case "stopping":
        actions.push({ kind: "kill", name: service.plan.name });
    }
  }

  #terminate(service: Service, now: Instant, actions: SupervisionAction[]): void {
    this.#enter(service, "stopping", now, after(now, STOP_WITHIN));
    actions.push({ kind: "terminate", name: service.plan.name });
  }

  #enter(service: Service, state: ServiceState, now: Instant, wakeAt?: Instant): void {
    service.state = state;
    service.since = now;
    service.wakeAt = wakeAt;
  }
}

function isRunning(state: ServiceState): boolean {
  return state === "starting" || state === "ready" || state === "stopping";
}
