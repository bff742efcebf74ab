/**
 * The JSON schema of the configuration file, for editors: completion, descriptions and red lines while typing.
 * @module
 */
import { z } from "zod";
import { schema } from "./schema.ts";

/** The text of `docs/metanet.schema.json`. */
export function jsonSchema(): string {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: "input", target: "draft-2020-12" });
  const titled = {
    $schema,
    title: "MetaNet gateway",
    description: "The configuration of `metanet up`.",
    ...rest,
  };
  return `${JSON.stringify(titled, undefined, 2)}\n`;
}
