/**
 * What the kernel's errno means when it refuses a change of the packet filter.
 * @module
 */
import { LimitExceededError, type MetanetError, UnavailableError } from "#base/errors.ts";
import { ElementConflictError, NotPermittedError, TableGoneError } from "#io/rule-set.ts";

const EPERM = 1;
export const ENOENT = 2;
const EBUSY = 16;
const EEXIST = 17;
const ENFILE = 23;

/** The error for an errno; `what` completes "Cannot …". */
export function nftablesError(what: string, errno: number): MetanetError {
  switch (errno) {
    case EPERM:
      return new NotPermittedError(`Cannot ${what}: the kernel allows it to root only. Start as root`);
    case ENOENT:
      return new TableGoneError(`Cannot ${what}: somebody else removed the table or the set`);
    case EBUSY:
    case EEXIST:
      return new ElementConflictError(`Cannot ${what}: the element is there with another mark`);
    case ENFILE:
      return new LimitExceededError(`Cannot ${what}: the set is full`);
    default:
      return new UnavailableError(`Cannot ${what}: the kernel gave errno ${errno}`);
  }
}
