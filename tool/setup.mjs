/**
 * Makes a fresh machine ready: `node tool/setup.mjs start|test|bench`. Plain JavaScript for the machine's own
 * Node (18 or later), without a dependency, as it runs before there are any. Announces what it installs,
 * starts and enables no service, and takes some milliseconds when nothing is missing.
 * @module
 */
import { fileURLToPath } from "node:url";
import { installDebianPackages } from "./setup/debian.mjs";
import { buildNative } from "./setup/native.mjs";
import { installNpmPackages } from "./setup/npm.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

// The compiler comes first: `npm ci` may need it.
installDebianPackages(process.argv[2] ?? "test");
if (installNpmPackages(root)) buildNative(root);
else process.exitCode = 1;
