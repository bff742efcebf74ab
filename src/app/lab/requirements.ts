/**
 * The real programs the lab is made of, and the Debian packages they come in; what is missing is said before
 * anything is built.
 * @module
 */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { UnavailableError } from "#base/errors.ts";
import { labEnvironment } from "./command-line.ts";

interface Requirement {
  readonly program: string;
  readonly debian: string;
  /** Only the scripted story needs it. */
  readonly onceOnly?: true;
}

const REQUIREMENTS: readonly Requirement[] = [
  { program: "ip", debian: "iproute2" },
  { program: "nft", debian: "nftables" },
  { program: "nsenter", debian: "util-linux" },
  { program: "unshare", debian: "util-linux" },
  { program: "mount", debian: "mount" },
  { program: "sysctl", debian: "procps" },
  { program: "sleep", debian: "coreutils" },
  { program: "dnsmasq", debian: "dnsmasq-base" },
  { program: "dhclient", debian: "isc-dhcp-client" },
  { program: "udhcpc", debian: "udhcpc" },
  { program: "curl", debian: "curl" },
  { program: "ping", debian: "iputils-ping", onceOnly: true },
  { program: "chromium", debian: "chromium", onceOnly: true },
];

/** Programs the lab needs are not installed. */
export class MissingProgramsError extends UnavailableError {
  override readonly code: string = "lab-missing-programs";
}

/** @throws MissingProgramsError with the command that installs them */
export function requirePrograms(once: boolean): void {
  const missing = REQUIREMENTS.filter(
    ({ program, onceOnly }) => (once || !onceOnly) && !findProgram(program),
  );
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map(({ debian }) => debian))].sort();
  throw new MissingProgramsError(
    `Cannot build the lab: ${missing.map(({ program }) => program).join(", ")} not found. ` +
      `On Debian: apt-get install --no-install-recommends ${packages.join(" ")}`,
  );
}

/** Where a program is on the lab's path, or undefined. */
export function findProgram(program: string): string | undefined {
  for (const folder of (labEnvironment().PATH ?? "").split(delimiter)) {
    if (folder === "") continue;
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
