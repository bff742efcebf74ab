/**
 * The npm packages: compares what the lock file asks for with what is installed, and runs `npm ci` when they
 * differ. The comparison reads two files, so that it costs next to nothing when nothing is missing.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { counted, head, say } from "./report.mjs";

/**
 * Why `npm ci` has to run, or undefined when it has not to.
 * @param {string} root the checkout
 */
export function npmReason(root) {
  if (!existsSync(join(root, "node_modules/.bin/node"))) return "not installed yet";
  const installed = packagesIn(join(root, "node_modules/.package-lock.json"));
  const wanted = packagesIn(join(root, "package-lock.json"));
  for (const [path, { version, optional }] of Object.entries(wanted)) {
    // An optional package is for another kind of machine, or there.
    if (path === "" || (optional && !installed[path])) continue;
    if (installed[path]?.version !== version) {
      return `${path.replace(/^.*node_modules\//, "")} ${version} is not installed`;
    }
  }
  return undefined;
}

function packagesIn(lockFile) {
  return existsSync(lockFile) ? JSON.parse(readFileSync(lockFile, "utf8")).packages : {};
}

/**
 * Installs the npm packages where they differ from the lock file.
 * @param {string} root the checkout
 * @returns {boolean} false when it failed; what went wrong has been said
 */
export function installNpmPackages(root) {
  const reason = npmReason(root);
  if (reason === undefined) return true;
  const count = Object.values(packagesIn(join(root, "package-lock.json"))).filter(
    (one) => !one.optional,
  ).length;
  say(`metanet set-up: installs ${counted(count - 1, "npm package")} into node_modules (${reason})`);
  // The cache is the checkout's own, so that nothing is left in the home folder.
  const options = ["--include=dev", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
  const cache = `--cache=${join(root, ".cache/npm")}`;
  const { status, stdout, stderr, error } = spawnSync("npm", ["ci", ...options, cache], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (status === 0) return true;
  say(
    `metanet set-up: cannot install the npm packages:\n${head(`${stdout}${stderr}${error?.message ?? ""}`)}`,
  );
  return false;
}
