/**
 * The address a client wanted before it was caught. It is only ever shown as a link after the login, never a
 * place the portal sends anybody to by itself, and only when it is plainly an address of the web.
 * @module
 */
import type { HttpRequest } from "#io/http-server.ts";

/** Longer addresses are forgotten rather than cut. */
export const ORIGINAL_URL_LENGTH_MAX = 2048;

/** http or https, a host without user name, then no character that could end an attribute, a field or a line. */
const WEB_URL =
  /^https?:\/\/(?:[a-z0-9._-]{1,255}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?(?:[/?#][\x21\x23-\x26\x28-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]*)?$/i;

/** The text when it is an address of the web that a page may link to; `undefined` otherwise. */
export function originalUrl(text: string | undefined): string | undefined {
  if (text === undefined || text.length > ORIGINAL_URL_LENGTH_MAX) return undefined;
  return WEB_URL.test(text) ? text : undefined;
}

/** What a caught request asked for. */
export function urlOf(request: Pick<HttpRequest, "host" | "path" | "query">): string | undefined {
  const query = request.query === "" ? "" : `?${request.query}`;
  return originalUrl(`http://${request.host}${request.path}${query}`);
}

/** The host of an address, for showing; the whole text when there is none. */
export function hostOf(url: string): string {
  return /^https?:\/\/([^/?#]+)/i.exec(url)?.[1] ?? url;
}
