/**
 * Users and groups of this machine by name or number, as the name service knows them (nsswitch.conf(5)).
 * @module
 */
import { execFileSync } from "node:child_process";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import { lookUpUser } from "./privileges.ts";

/** What getent(1) ends with when there is no such entry. */
const EXIT_UNKNOWN = 2;

/** A user's number; `undefined` when the machine knows no such user. A number is taken as it is. */
export function uidOf(user: string): number | undefined {
  if (/^\d+$/.test(user)) return Number(user);
  try {
    return lookUpUser(user).uid;
  } catch (error) {
    if (error instanceof ConfigurationError) return undefined;
    throw error;
  }
}

/**
 * A group's number; `undefined` when the machine knows no such group. A number is taken as it is.
 * @throws UnavailableError when getent(1) cannot be asked.
 */
export function gidOf(group: string): number | undefined {
  if (/^\d+$/.test(group)) return Number(group);
  try {
    const [, , number] = execFileSync("getent", ["group", group], { encoding: "utf8" }).split(":");
    return Number(number);
  } catch (cause) {
    if (cause instanceof Error && "status" in cause && cause.status === EXIT_UNKNOWN) return undefined;
    throw new UnavailableError(`Cannot look up the group '${group}': getent failed`, { cause });
  }
}
