/**
 * What programs that use flows can do wrong.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

/** A flow was used after it had ended: what is wanted of it has to be copied at `connectionEnd` at the latest. */
export class FlowEndedError extends ConfigurationError {
  override readonly code: string = "flow-ended";
}

/** The packet was asked for, or changed, where there is none. */
export class NoPacketError extends ConfigurationError {
  override readonly code: string = "no-packet";
}

/** Bytes of a stream cannot be changed, or added to, where this was asked; the message says why and where they can. */
export class EditRefusedError extends ConfigurationError {
  override readonly code: string = "flow-edit-refused";
}

/** The engine was called by a callback of its own: of `handle`, `advance` and `close` one runs at a time. */
export class EngineBusyError extends ConfigurationError {
  override readonly code: string = "flow-engine-busy";
}
