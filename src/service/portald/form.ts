/**
 * Fields of `application/x-www-form-urlencoded` bodies and queries (WHATWG URL §5.1), with a limit on their number.
 * @module
 */
import { decodeUtf8 } from "#base/utf8.ts";

/** Fields after this one are not looked at. */
export const FORM_FIELD_COUNT_MAX = 64;

/** The fields of a query or a body; of a repeated name the first counts. What cannot be decoded is left out. */
export function decodeForm(from: string | Uint8Array): ReadonlyMap<string, string> {
  const text = typeof from === "string" ? from : (decodeUtf8(from) ?? "");
  const fields = new Map<string, string>();
  for (const pair of text.split("&", FORM_FIELD_COUNT_MAX)) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decodePart(equals < 0 ? pair : pair.slice(0, equals));
    const value = decodePart(equals < 0 ? "" : pair.slice(equals + 1));
    if (name !== undefined && value !== undefined && !fields.has(name)) fields.set(name, value);
  }
  return fields;
}

function decodePart(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}
