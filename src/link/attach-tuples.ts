/**
 * ATTACH: who wants to stand where in whose list, as tuples.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import { type Duration, milliseconds } from "#base/time.ts";
import type { Tuples, Value } from "#base/value.ts";
import type { Filter, ListenerOptions, Place } from "#mailbox/listener.ts";
import type { Fields } from "#mailbox/message.ts";
import { ControlTuples, required } from "./tuples.ts";

/** What is asked for, without the function. */
export interface AttachRequest {
  readonly label: string;
  readonly observes: boolean;
  readonly place: Place;
  readonly options: ListenerOptions;
}

/** Bands a peer may ask for. */
const BAND_MAX = 1_000_000;
/** The longest time-out a peer may ask for; the message's own budget ends earlier as a rule. */
const TIMEOUT_MAX: Duration = milliseconds(3_600_000);
/** A label is part of a listener's identity and stands in traces: printable, of a length that fits a line. */
const LABEL = /^[A-Za-z0-9_.:-]{1,64}$/;

const PLACES = ["append", "prepend", "before", "after"] as const;
const RULES = ["continue", "reject"] as const;
const REPEATABLE = ["exists", "equals", "identity", "value"];

export function encodeAttach({ label, observes, place, options }: AttachRequest): Tuples {
  const tuples: (string | Value)[] = ["label", label];
  if (observes) tuples.push("observe", true);
  else if (typeof place === "string") tuples.push("place", place);
  else if ("before" in place) tuples.push("place", "before", "anchor", place.before);
  else tuples.push("place", "after", "anchor", place.after);
  const { band, timeout, onTimeout, onError, filter } = options;
  if (band !== undefined) tuples.push("band", band);
  if (timeout !== undefined) tuples.push("timeout", timeout);
  if (onTimeout !== undefined) tuples.push("on-timeout", onTimeout);
  if (onError !== undefined) tuples.push("on-error", onError);
  for (const tag of filter?.exists ?? []) tuples.push("exists", tag);
  pushFields(tuples, "equals", filter?.equals);
  pushFields(tuples, "identity", options.tuples);
  return tuples;
}

/** A tag's name cannot be made longer by a prefix, so name and value are two tuples in a row. */
function pushFields(tuples: (string | Value)[], kind: string, fields: Fields | undefined): void {
  for (const [tag, value] of Object.entries(fields ?? {})) {
    if (value !== undefined) tuples.push(kind, tag, "value", value);
  }
}

/** @throws ProtocolViolationError */
export function decodeAttach(body: Tuples): AttachRequest {
  const tuples = new ControlTuples(body, REPEATABLE);
  const label = required(tuples.text("label"), "label");
  if (!LABEL.test(label)) {
    throw new ProtocolViolationError(
      `Cannot attach: label '${label.slice(0, 80)}' is not 1 to 64 of A-Z a-z 0-9 _ . : -`,
    );
  }
  const band = tuples.number("band");
  if (band !== undefined && !(Number.isInteger(band) && Math.abs(band) <= BAND_MAX)) {
    throw new ProtocolViolationError(`Cannot attach: band ${band} is outside -${BAND_MAX}..${BAND_MAX}`);
  }
  const timeout = tuples.number("timeout");
  const onTimeout = tuples.oneOf("on-timeout", RULES);
  const onError = tuples.oneOf("on-error", RULES);
  const fields = decodeFields(body);
  return {
    label,
    observes: tuples.flag("observe"),
    place: decodePlace(tuples),
    options: {
      ...(band !== undefined ? { band } : {}),
      ...(timeout !== undefined
        ? { timeout: milliseconds(Math.max(0, Math.min(timeout, TIMEOUT_MAX))) }
        : {}),
      ...(onTimeout ? { onTimeout } : {}),
      ...(onError ? { onError } : {}),
      ...fields,
    },
  };
}

function decodePlace(tuples: ControlTuples): Place {
  const place = tuples.oneOf("place", PLACES) ?? "append";
  if (place === "append" || place === "prepend") return place;
  const anchor = required(tuples.text("anchor"), "anchor");
  return place === "before" ? { before: anchor } : { after: anchor };
}

/** Filter and identity tuples, in the order in which they came. */
function decodeFields(body: Tuples): { filter?: Filter; tuples?: Fields } {
  const exists: string[] = [];
  const equals: Record<string, Value> = Object.create(null); // a peer may name a tag __proto__
  const identity: Record<string, Value> = Object.create(null);
  for (let index = 0; index < body.length; index += 2) {
    const kind = body[index];
    if (kind !== "exists" && kind !== "equals" && kind !== "identity") continue;
    const tag = body[index + 1];
    if (typeof tag !== "string")
      throw new ProtocolViolationError(`Cannot attach: '${kind}' does not name a tag`);
    if (kind === "exists") {
      exists.push(tag);
      continue;
    }
    if (body[index + 2] !== "value")
      throw new ProtocolViolationError(`Cannot attach: '${kind}' has no value`);
    (kind === "equals" ? equals : identity)[tag] = body[index + 3] as Value;
  }
  const hasFilter = exists.length > 0 || Object.keys(equals).length > 0;
  return {
    ...(hasFilter ? { filter: { exists, equals } } : {}),
    ...(Object.keys(identity).length > 0 ? { tuples: identity } : {}),
  };
}
