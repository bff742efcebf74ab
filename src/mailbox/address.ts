/**
 * Mailbox addresses: `/dhcpd/lookup` in this process, `dhcpd:/dhcpd/lookup` in another one, and
 * `dhcpd@gw2:/dhcpd/lookup` in one of another machine.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";

/** Bytes of a mailbox's path, at the most. */
export const PATH_BYTES_MAX = 255;

/** Bytes of a process's or machine's name, at the most: it is a file name of a socket. */
export const NAME_BYTES_MAX = 64;

export interface MailboxAddress {
  /** `undefined` is this process. */
  readonly process: string | undefined;
  /** `undefined` is this machine. */
  readonly machine: string | undefined;
  readonly path: string;
}

const PATH = /^(\/[A-Za-z0-9_.-]+)+$/;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

export function isPath(text: string): boolean {
  return text.length <= PATH_BYTES_MAX && PATH.test(text);
}

/** Whether a text can name a process: letters, digits, `_`, `.` and `-`, at most {@link NAME_BYTES_MAX}. */
export function isProcessName(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && NAME.test(text);
}

/** @throws ConfigurationError when the text is not an address. */
export function parseAddress(text: string): MailboxAddress {
  const colon = text.indexOf(":");
  const path = text.slice(colon + 1);
  if (!isPath(path)) {
    throw new ConfigurationError(
      `Cannot use mailbox address '${text}': '${path}' is not a path such as /dhcpd/lookup of at most ${PATH_BYTES_MAX} bytes`,
    );
  }
  if (colon < 0) return { process: undefined, machine: undefined, path };
  const [process = "", machine, ...more] = text.slice(0, colon).split("@");
  if (!isProcessName(process) || (machine !== undefined && !isProcessName(machine)) || more.length > 0) {
    throw new ConfigurationError(
      `Cannot use mailbox address '${text}': before the colon it takes PROCESS or PROCESS@MACHINE`,
    );
  }
  return { process, machine, path };
}

export function formatAddress(address: MailboxAddress): string {
  const machine = address.machine === undefined ? "" : `@${address.machine}`;
  return address.process === undefined ? address.path : `${address.process}${machine}:${address.path}`;
}
