/**
 * Lowering on trial: what comes of it is looked at, and taken back.
 * @module
 */
import type { Remembered } from "../../ir/builder.ts";
import { CompileError, type CompileProblem } from "../../problem.ts";
import type { Front } from "../front.ts";
import { AlreadyRefused, type Arrival, type PathState, WayEnded } from "../path.ts";

/** Where everything stood. */
export interface TrialPoint {
  readonly builder: Remembered;
  readonly state: PathState;
  readonly arrivals: readonly (readonly [list: Arrival[], count: number])[];
  readonly slotCount: number;
  readonly eventCount: number;
  readonly problems: ReadonlyMap<string, CompileProblem>;
  readonly isRefused: boolean;
}

/** Where everything stands, for {@link takeBack}. */
export function trialPoint(front: Front): TrialPoint {
  const lists = front.frames.flatMap(({ returns, targets }) => [
    ...(returns === undefined ? [] : [returns]),
    ...targets.flatMap(({ breaks, continues }) => (continues === undefined ? [breaks] : [breaks, continues])),
  ]);
  return {
    builder: front.builder.remember(),
    state: front.state.clone(),
    arrivals: lists.map((list) => [list, list.length]),
    slotCount: front.emit.slotCount,
    eventCount: front.report.events.length,
    problems: new Map(front.report.problems),
    isRefused: front.report.isRefused,
  };
}

/** Takes back what was lowered since. */
export function takeBack(front: Front, point: TrialPoint): void {
  front.builder.forget(point.builder);
  front.state = point.state;
  for (const [list, count] of point.arrivals) list.length = count;
  front.emit.forgetSlots(point.slotCount);
  front.report.events.length = point.eventCount;
  front.report.problems.clear();
  for (const [key, problem] of point.problems) front.report.problems.set(key, problem);
  front.report.isRefused = point.isRefused;
}

/** Lowers something to see what comes of it, and takes it back; `undefined` where it does not fit. */
export function tentatively<T>(front: Front, action: () => T): T | undefined {
  const point = trialPoint(front);
  try {
    return action();
  } catch (error) {
    if (error instanceof WayEnded || isRefusal(error)) return undefined;
    throw error;
  } finally {
    takeBack(front, point);
  }
}

/** Lowers something; whether it fits. Where it does not, it is taken back. */
export function attempt(front: Front, action: () => void): boolean {
  const point = trialPoint(front);
  try {
    action();
    if (front.report.isRefused === point.isRefused) return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  takeBack(front, point);
  return false;
}

function isRefusal(error: unknown): boolean {
  return error instanceof CompileError || error instanceof AlreadyRefused;
}
