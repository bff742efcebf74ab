/**
 * Compiles the addon into native/metanet.node when a source is newer, with the system's C compiler ($CC, else cc)
 * and nothing downloaded. Runs at `npm install`, on Node 20 too, so it is plain JavaScript.
 *
 *     node native/build.mjs [--strict] [--force]
 *
 * Without a compiler it warns and succeeds, because much of MetaNet works without the addon; with --strict it
 * exits 1. --force compiles even when nothing changed.
 * @module
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const target = join(folder, "metanet.node");
const messages = JSON.parse(readFileSync(join(folder, "messages.json"), "utf8"));
const isStrict = process.argv.includes("--strict");

const problem = build();
if (problem) {
  process.stderr.write(`${isStrict ? "error" : "warning"}: ${messages[problem]}\n`);
  if (isStrict) process.exitCode = 1;
}

/** Builds what is out of date; the name of the message that says why it could not. */
function build() {
  if (process.platform !== "linux") return "notLinux";
  const files = readdirSync(folder).filter((name) => /\.[ch]$/.test(name) || name === "build.mjs");
  const sources = files.filter((name) => name.endsWith(".c")).sort();
  if (sources.length === 0) return "noSources";
  if (!process.argv.includes("--force") && isUpToDate(files)) return undefined;
  const headers = headersFolder();
  if (!headers) return "noHeaders";
  return compile(sources, headers);
}

function isUpToDate(files) {
  const built = statSync(target, { throwIfNoEntry: false });
  return built !== undefined && files.every((name) => statSync(join(folder, name)).mtimeMs <= built.mtimeMs);
}

function headersFolder() {
  try {
    return createRequire(import.meta.url)("node-api-headers").include_dir;
  } catch {
    return undefined;
  }
}

function compile(sources, headers) {
  // $CC may carry words of its own: "ccache gcc".
  const [compiler = "cc", ...words] = (process.env.CC || "cc").split(/\s+/).filter(Boolean);
  // Built beside and renamed, so that two builds at once and a process that has the old one open do no harm.
  const fresh = join(folder, `metanet.${process.pid}.node`);
  const flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"];
  const { error, status } = spawnSync(
    compiler,
    [...words, ...flags, `-I${headers}`, "-o", fresh, ...sources],
    {
      cwd: folder,
      stdio: ["ignore", 2, 2],
    },
  );
  // EACCES is what a folder of the path that we may not look into makes of a missing program (execvp(3)).
  if (error?.code === "ENOENT" || error?.code === "EACCES") return "noCompiler";
  if (error || status !== 0) {
    rmSync(fresh, { force: true });
    return "compilerFailed";
  }
  renameSync(fresh, target);
  return undefined;
}
