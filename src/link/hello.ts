/**
 * HELLO: who is there, what it speaks, and what it can take.
 * @module
 */
import { ProtocolViolationError } from "#base/errors.ts";
import type { Tuples } from "#base/value.ts";
import { isProcessName } from "#mailbox/address.ts";
import { FRAME_BYTES_MAX, FRAME_BYTES_MIN } from "#wire/link.ts";
import { CREDIT_BYTES, MAGIC, VERSION_MAX, VERSION_MIN } from "./limits.ts";
import { ControlTuples, required } from "./tuples.ts";

/** What one side says of itself. */
export interface Hello {
  /** The process's name on the bus. */
  readonly name: string;
  /** Different for every start of a process, so that a restarted one is told from the same one. */
  readonly instance: string;
  /** The version both speak. */
  readonly version: number;
  /** The longest frame it takes. */
  readonly frameBytesMax: number;
  /** Bytes of charged frames it takes at first. */
  readonly creditBytes: number;
  /** Additions to the protocol it knows; none are defined in version 1. */
  readonly features: readonly string[];
}

/** The two sides have no version in common. */
export class VersionError extends ProtocolViolationError {
  override readonly code = "version";
}

export function encodeHello(name: string, instance: string): Tuples {
  return [
    "magic",
    MAGIC,
    "version-min",
    VERSION_MIN,
    "version-max",
    VERSION_MAX,
    "name",
    name,
    "instance",
    instance,
    "frame-max",
    FRAME_BYTES_MAX,
    "credit",
    CREDIT_BYTES,
    "features",
    [],
  ];
}

/** @throws ProtocolViolationError, VersionError */
export function decodeHello(body: Tuples): Hello {
  const tuples = new ControlTuples(body);
  if (tuples.text("magic") !== MAGIC) {
    throw new ProtocolViolationError(`Cannot greet peer: its HELLO does not begin with the magic '${MAGIC}'`);
  }
  const min = required(tuples.count("version-min"), "version-min");
  const max = required(tuples.count("version-max"), "version-max");
  const version = Math.min(max, VERSION_MAX);
  if (version < Math.max(min, VERSION_MIN)) {
    throw new VersionError(
      `Cannot greet peer: it speaks versions ${min} to ${max}, this process ${VERSION_MIN} to ${VERSION_MAX}`,
    );
  }
  const name = required(tuples.text("name"), "name");
  if (!isProcessName(name)) {
    throw new ProtocolViolationError(`Cannot greet peer: '${name}' is not the name of a process`);
  }
  const frameBytesMax = tuples.count("frame-max") ?? FRAME_BYTES_MAX;
  if (frameBytesMax < FRAME_BYTES_MIN) {
    throw new ProtocolViolationError(
      `Cannot greet peer: it takes frames of ${frameBytesMax} bytes, fewer than ${FRAME_BYTES_MIN}`,
    );
  }
  return {
    name,
    instance: required(tuples.text("instance"), "instance"),
    version,
    frameBytesMax,
    creditBytes: tuples.count("credit") ?? CREDIT_BYTES,
    features: tuples.texts("features") ?? [],
  };
}
