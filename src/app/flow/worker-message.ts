/**
 * Errors on their way from a worker thread, which would lose their class.
 * @module
 */
import { ConfigurationError, MetanetError } from "#base/errors.ts";

/** What is left of an error. */
export interface CarriedError {
  /** Of a MetanetError; `undefined` for a defect. */
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

/** What can be sent. */
export function carryError(error: unknown): CarriedError {
  if (!(error instanceof Error)) return { code: undefined, message: String(error), stack: undefined };
  return {
    code: error instanceof MetanetError ? error.code : undefined,
    message: error.message,
    stack: error.stack,
  };
}

/** An error of another thread, by its code and its sentence. */
class WorkerError extends ConfigurationError {
  override readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What was sent, as an error to be thrown. */
export function uncarryError({ code, message, stack }: CarriedError): Error {
  if (code !== undefined) return new WorkerError(code, message);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** The address of a worker's entry beside the module of `url`: as a source in a checkout, compiled in a package. */
export function workerEntry(name: string, url: string): URL {
  return new URL(`./${name}.${url.endsWith(".ts") ? "ts" : "js"}`, url);
}
