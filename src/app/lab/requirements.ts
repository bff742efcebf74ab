/**
 * The real programs the lab is made of, and the packages they come in; what is missing is said before anything is
 * built.
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

/** Drives the browser; the source checkout has it, the installed package leaves the choice to its user. */
const BROWSER_DRIVER = "playwright-core";

/** Programs the lab needs are not installed. */
export class MissingProgramsError extends UnavailableError {
  override readonly code: string = "lab-missing-programs";
}

/** @throws MissingProgramsError with the command that installs them */
export function requirePrograms(once: boolean): void {
  const programs = REQUIREMENTS.filter(
    ({ program, onceOnly }) => (once || !onceOnly) && !findProgram(program),
  );
  const missing = programs.map(({ program }) => program);
  const fixes: string[] = [];
  if (programs.length > 0) {
    const packages = [...new Set(programs.map(({ debian }) => debian))].sort();
    fixes.push(`On Debian: apt-get install --no-install-recommends ${packages.join(" ")}`);
  }
  if (once && !isInstalled(BROWSER_DRIVER)) {
    missing.push(`the npm package ${BROWSER_DRIVER}`);
    fixes.push(`Beside metanet: npm install ${BROWSER_DRIVER}`);
  }
  if (missing.length === 0) return;
  throw new MissingProgramsError(
    `Cannot build the lab: ${missing.join(", ")} not found. ${fixes.join(". ")}`,
  );
}

function isInstalled(npmPackage: string): boolean {
  try {
    import.meta.resolve(npmPackage);
    return true;
  } catch {
    return false;
  }
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
