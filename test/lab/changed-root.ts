/**
 * A program for tests. `make FOLDER`, in a mount namespace of its own: mounts what is in "/" below FOLDER, which is
 * no mount point itself, and runs `probe` with FOLDER as its root. `probe`: takes a root of its own where it needs
 * one, makes a network namespace, runs a program in it and prints what it saw.
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { needsOwnRoot, startAgainInOwnRoot } from "../../src/app/lab/own-root.ts";

function make(folder: string): void {
  for (const entry of readdirSync("/", { withFileTypes: true })) {
    const place = join(folder, entry.name);
    if (entry.isSymbolicLink()) symlinkSync(readlinkSync(`/${entry.name}`), place);
    if (!entry.isDirectory()) continue;
    mkdirSync(place);
    execFileSync("mount", ["--rbind", `/${entry.name}`, place]);
  }
  const again = ["env", `--chdir=${process.cwd()}`, process.execPath, import.meta.filename, "probe"];
  execFileSync("chroot", [folder, ...again], { stdio: "inherit" });
}

function probe(): void {
  const needs = needsOwnRoot();
  process.stdout.write(
    `${needs ? "needs" : "has"} a root of its own, process ${process.pid}, ${process.cwd()}\n`,
  );
  if (needs) startAgainInOwnRoot();
  const namespace = `mn-probe-${process.pid}`;
  execFileSync("ip", ["netns", "add", namespace]);
  try {
    const links = execFileSync("ip", ["netns", "exec", namespace, "ip", "-br", "link"], { encoding: "utf8" });
    process.stdout.write(`sees ${links.split(" ")[0]}\n`);
  } finally {
    execFileSync("ip", ["netns", "delete", namespace]);
  }
}

const [what, folder = ""] = process.argv.slice(2);
if (what === "make") make(folder);
else probe();
