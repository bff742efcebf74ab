/**
 * Writes docs/metanet.schema.json from src/app/config. `--check` reports that it is out of date instead.
 * @module
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jsonSchema } from "#app/config/json-schema.ts";

const file: string = join(import.meta.dirname, "../docs/metanet.schema.json");
const wanted = jsonSchema();
const current = existsSync(file) ? readFileSync(file, "utf8") : "";
if (process.argv.includes("--check")) {
  if (current !== wanted)
    process.stderr.write("docs/metanet.schema.json is out of date: run node tool/config-schema.ts\n");
  process.exitCode = current === wanted ? 0 : 1;
} else if (current !== wanted) {
  writeFileSync(file, wanted);
}
