/**
 * The states of a client at a captive portal and what takes it from one to the next. The table is the protocol;
 * `session.ts` adds addresses, counters and time.
 * @module
 */

/**
 * Where a client stands. `permitting`: the firewall has been asked and has not answered, so nothing counts as open;
 * the last four are closed, each with its own reason, which the client is told.
 */
export type SessionState =
  | "unknown"
  | "permitting"
  | "permitted"
  | "idle-out"
  | "logged-out"
  | "timed-out"
  | "over-quota";

/** What happens to a client. */
export type SessionEvent =
  | "login"
  | "permit-answered"
  | "permit-failed"
  | "logout"
  | "idle"
  | "expire"
  | "exhaust";

/** What a transition asks for; `session.ts` makes whole actions of them. */
export type SessionStep = "permit" | "revoke" | "save" | "opened" | "closed";

interface Transition {
  readonly next: SessionState;
  readonly steps: readonly SessionStep[];
}

const CLOSE: readonly SessionStep[] = ["revoke", "save", "closed"];
const OPEN: Transition = { next: "permitting", steps: ["permit"] };

/** An event missing here leaves the state alone and asks for nothing. */
export const TRANSITIONS: Readonly<
  Record<SessionState, Readonly<Partial<Record<SessionEvent, Transition>>>>
> = {
  unknown: { login: OPEN },
  permitting: {
    "permit-answered": { next: "permitted", steps: ["save", "opened"] },
    // The firewall may have done it and only failed to say so: what is not a session must not stay open.
    "permit-failed": { next: "unknown", steps: ["revoke"] },
    logout: { next: "logged-out", steps: ["revoke"] },
  },
  permitted: {
    logout: { next: "logged-out", steps: CLOSE },
    idle: { next: "idle-out", steps: CLOSE },
    expire: { next: "timed-out", steps: CLOSE },
    exhaust: { next: "over-quota", steps: CLOSE },
  },
  "idle-out": { login: OPEN },
  "logged-out": { login: OPEN },
  "timed-out": { login: OPEN },
  "over-quota": { login: OPEN },
};

/** Whether a client in this state may pass, or is about to. */
export function isOpening(state: SessionState): boolean {
  return state === "permitting" || state === "permitted";
}
