/**
 * Keeps packages from starting or enabling anything while they are installed. Debian asks
 * /usr/sbin/policy-rc.d before a package starts a service (invoke-rc.d(8)); what a package enables are
 * symbolic links below /etc/systemd and /etc/rc?.d, which are compared before and after.
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

const MARK = "Put here by MetaNet's set-up";

/**
 * Runs `install` with every service start refused, and afterwards disables what it enabled.
 * @param {() => T} install
 * @param {string} root the root folder; another one in tests
 * @returns {{ result: T, disabled: string[] }} what was disabled again
 * @template T
 */
export function withQuietServices(install, root = "/") {
  const before = new Set(enabledLinks(root));
  const interrupted = () => {};
  // Without a handler Node would end here and leave the guard behind; apt-get itself gets the signal as well.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, interrupted);
  raiseGuard(root);
  let result;
  try {
    result = install();
  } finally {
    lowerGuard(root);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, interrupted);
  }
  const added = enabledLinks(root).filter((link) => !before.has(link));
  return { result, disabled: disable(added) };
}

function raiseGuard(root) {
  const policy = join(root, "usr/sbin/policy-rc.d");
  lowerGuard(root);
  if (existsSync(policy)) renameSync(policy, `${policy}.metanet-saved`);
  // Should this process be killed, the guard steps aside by itself and the next set-up removes it.
  const script = [
    "#!/bin/sh",
    `# ${MARK} while it installs packages, so that none of them starts a service; removed at the end.`,
    `if [ -d /proc/${process.pid} ]; then exit 101; fi`,
    `if [ -x "$0.metanet-saved" ]; then exec "$0.metanet-saved" "$@"; fi`,
    "exit 0",
    "",
  ];
  writeFileSync(policy, script.join("\n"), { mode: 0o755 });
}

/** Takes our guard away, also one left by a set-up that was killed, and puts back what stood there. */
function lowerGuard(root) {
  const policy = join(root, "usr/sbin/policy-rc.d");
  if (!existsSync(policy) || !readFileSync(policy, "utf8").includes(MARK)) return;
  rmSync(policy);
  if (existsSync(`${policy}.metanet-saved`)) renameSync(`${policy}.metanet-saved`, policy);
}

/** Every symbolic link that makes systemd or a System V init start something. */
function enabledLinks(root) {
  const links = [];
  for (const folder of ["etc/systemd/system", "etc/systemd/user"]) {
    for (const path of filesBelow(join(root, folder))) if (isLink(path)) links.push(path);
  }
  for (const level of ["2", "3", "4", "5", "S"]) {
    const folder = join(root, `etc/rc${level}.d`);
    for (const path of filesBelow(folder)) if (/^S\d\d/.test(basename(path))) links.push(path);
  }
  return links;
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function isLink(path) {
  return lstatSync(path).isSymbolicLink();
}

/** Removing the link is what `systemctl disable` does; update-rc.d turns an S link into a K link. */
function disable(links) {
  const names = new Set();
  for (const link of links) {
    const script = /\/etc\/rc.\.d\/S\d\d(.+)$/.exec(link)?.[1];
    if (script === undefined) rmSync(link, { force: true });
    else if (!names.has(script)) spawnSync("update-rc.d", [script, "disable"], { stdio: "ignore" });
    names.add(script ?? basename(link));
  }
  return [...names].sort();
}
