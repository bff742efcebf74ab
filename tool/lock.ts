/**
 * Completes package-lock.json: `npm run lock`, after every `npm install`. A registry that does not carry the
 * builds of a package for other platforms makes npm leave them out of the lock file without a word, and `npm ci`
 * refuses such a file. Each is added with the platform that its name tells, so that only that one asks for it.
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { completeLock, type Lock } from "./lock/complete-lock.ts";

const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const file: string = join(import.meta.dirname, "../package-lock.json");
const lock: Lock = JSON.parse(readFileSync(file, "utf8"));
const { lock: complete, added } = completeLock(lock);
if (values.check) {
  for (const name of added) process.stderr.write(`package-lock.json lacks ${name}: run npm run lock\n`);
  process.exitCode = added.length > 0 ? 1 : 0;
} else if (added.length > 0) {
  writeFileSync(file, `${JSON.stringify(complete, undefined, 2)}\n`);
  process.stdout.write(`package-lock.json: added ${added.join(", ")}\n`);
}
