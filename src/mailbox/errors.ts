/**
 * What can go wrong with a message, each with a stable code that travels over links.
 * @module
 */
import {
  ConfigurationError,
  LimitExceededError,
  MetanetError,
  ProtocolViolationError,
  UnavailableError,
} from "#base/errors.ts";

/** The process is there, the mailbox is not. */
export class NoSuchMailboxError extends ConfigurationError {
  override readonly code = "no-such-mailbox";
}

/** The mailbox is there, but nobody listens, or nobody answered a call. */
export class NobodyListeningError extends UnavailableError {
  override readonly code = "nobody-listening";
}

/** The process that owns the mailbox is not running, or went away before it answered. */
export class PeerGoneError extends UnavailableError {
  override readonly code = "peer-gone";
}

/** The deadline passed without an answer. */
export class TimedOutError extends UnavailableError {
  override readonly code = "timed-out";
}

/** A listener refused the message; `reason` is its own word for why. */
export class RejectedError extends ProtocolViolationError {
  override readonly code = "rejected";
  readonly reason: string;

  constructor(text: string, reason: string) {
    super(text);
    this.reason = reason;
  }
}

/** The sender has no right to do this to the mailbox. */
export class DeniedError extends ConfigurationError {
  override readonly code = "denied";
}

/** The message came back to somebody who waits for it; `path` tells the way it took. */
export class LoopError extends ProtocolViolationError {
  override readonly code = "loop";
  readonly path: readonly string[];

  constructor(text: string, path: readonly string[]) {
    super(text);
    this.path = path;
  }
}

/** A bounded queue on the way is full. */
export class OverflowError extends LimitExceededError {
  override readonly code = "overflow";
}

/** The message does not have the tags or types that the mailbox's contract states. */
export class ContractError extends ProtocolViolationError {
  override readonly code = "contract";
}

/** An error of another process whose class this one does not have; the code is kept. */
export class RemoteError extends MetanetError {
  override readonly code: string;

  constructor(code: string, text: string) {
    super(text);
    this.code = code;
  }
}

const BY_CODE: { readonly [code: string]: (text: string) => MetanetError } = {
  "no-such-mailbox": (text) => new NoSuchMailboxError(text),
  "nobody-listening": (text) => new NobodyListeningError(text),
  "peer-gone": (text) => new PeerGoneError(text),
  "timed-out": (text) => new TimedOutError(text),
  rejected: (text) => new RejectedError(text, text),
  denied: (text) => new DeniedError(text),
  loop: (text) => new LoopError(text, []),
  overflow: (text) => new OverflowError(text),
  contract: (text) => new ContractError(text),
};

/** The error a peer named by its code; an unknown code gives a {@link RemoteError}. */
export function errorFromCode(code: string, text: string): MetanetError {
  // The code is a peer's word: `constructor` must not find what every object has.
  const make = Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined;
  return make?.(text) ?? new RemoteError(code, text);
}
