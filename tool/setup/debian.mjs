/**
 * The programs that MetaNet needs from Debian: looks for each where programs live, and installs the packages
 * of those missing when that is allowed, starting and enabling no service.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { withQuietServices } from "./quiet-services.mjs";
import { counted, say, tail } from "./report.mjs";

const FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/**
 * The packages of debian-packages.json whose program or file is not there.
 * @param {"start" | "test" | "bench"} purpose what they are needed for
 */
function missingPackages(purpose) {
  const list = JSON.parse(readFileSync(new URL("../debian-packages.json", import.meta.url), "utf8"));
  return list.filter(({ finds, when }) => when.includes(purpose) && !isThere(finds));
}

/** A path is looked for as it is, a name in the folders of PATH and of the system's own programs. */
function isThere(finds) {
  if (finds.startsWith("/")) return existsSync(finds);
  const folders = [...(process.env.PATH ?? "").split(":").filter(Boolean), ...FOLDERS];
  return folders.some((folder) => existsSync(join(folder, finds)));
}

/** Installs what is missing, or says how to; nothing here is fatal, as tests skip by name what they lack. */
export function installDebianPackages(purpose) {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return;
  const names = missing.map((one) => one.package);
  const command = `apt-get install --no-install-recommends ${names.join(" ")}`;
  if (process.getuid?.() !== 0 || !isThere("apt-get")) {
    say(`metanet set-up: ${counted(missing.length, "Debian package")} missing:`);
    describe(missing);
    say(`metanet set-up: what needs them is left out, by name. To install them:\n\n    sudo ${command}\n`);
    return;
  }
  say(
    `metanet set-up: installs ${counted(missing.length, "Debian package")}, starting and enabling no service:`,
  );
  describe(missing);
  const { result, disabled } = withQuietServices(() => install(names));
  if (disabled.length > 0) say(`metanet set-up: disabled again what they enabled: ${disabled.join(" ")}`);
  if (result !== "")
    say(`metanet set-up: cannot install Debian packages:\n${tail(result)}\n  try: ${command}`);
}

function describe(packages) {
  for (const one of packages) say(`  ${one.package.padEnd(18)}${one.for}`);
}

/** Installs the packages, without those this release of Debian does not have; answers what went wrong. */
function install(names) {
  aptGet(["update"]);
  let wanted = names;
  while (wanted.length > 0) {
    const { status, output } = aptGet(["install", "--yes", "--no-install-recommends", ...wanted]);
    if (status === 0) return "";
    const unknown = [...output.matchAll(/Unable to locate package (\S+)|Package '?([^\s']+)'? has no/g)];
    const left = wanted.filter((name) => !unknown.some((match) => name === (match[1] ?? match[2])));
    if (left.length === wanted.length) return output;
    say(`metanet set-up: not in this release: ${wanted.filter((name) => !left.includes(name)).join(" ")}`);
    wanted = left;
  }
  return "";
}

function aptGet(words) {
  const options = ["-q", "-o", "APT::Keep-Downloaded-Packages=false", "-o", "DPkg::Lock::Timeout=300"];
  const { status, stdout, stderr, error } = spawnSync("apt-get", [...options, ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
  });
  return { status, output: `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}` };
}
