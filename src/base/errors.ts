/**
 * Errors, chosen by who must act. The code is stable and for programs; the message is for people and reads
 * `Cannot do X: what was seen`. Every other error of the project extends one of these six.
 * @module
 */

/** What every error of the project has. */
export abstract class MetanetError extends Error {
  /** Stable, kebab-case; travels over links and stands in JSON output. */
  abstract readonly code: string;
  /** The class's name, so that a printed error says whose fault it is. */
  override get name(): string {
    return this.constructor.name;
  }
}

/** The peer's bytes cannot be read: drop, count, carry on. */
export class MalformedMessageError extends MetanetError {
  readonly code: string = "malformed-message";
}

/** The peer's bytes can be read but break the rules: answer with the protocol's own error, close. */
export class ProtocolViolationError extends MetanetError {
  readonly code: string = "protocol-violation";
}

/** Too much of something: shed load, count. */
export class LimitExceededError extends MetanetError {
  readonly code: string = "limit-exceeded";
}

/** The world said no (socket, disk, kernel, peer): retry with a pause, report. */
export class UnavailableError extends MetanetError {
  readonly code: string = "unavailable";
}

/** The operator or the calling program asked for something that cannot be: print what and where. */
export class ConfigurationError extends MetanetError {
  readonly code: string = "configuration";
}

/** We broke our own promise: never caught to carry on. */
export class InvariantError extends MetanetError {
  readonly code: string = "invariant";
}
