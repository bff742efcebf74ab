/**
 * Two names for one place: what the lab's client calls `http://10.77.0.1:5280` the user's browser reaches as
 * `http://127.0.0.1:7780`. Translates headers and pages between the two.
 * @module
 */

/** Pairs of origins (scheme, host and port), as the lab and as the user's browser know them. */
export type OriginMap = readonly { readonly inside: string; readonly outside: string }[];

/** Text of an answer, as the browser outside must see it. */
export function toOutside(map: OriginMap, text: string): string {
  return map.reduce((now, { inside, outside }) => replaceOrigin(now, inside, outside), text);
}

/** Text of a request (Origin, Referer), as the lab must see it. */
export function toInside(map: OriginMap, text: string): string {
  return map.reduce((now, { inside, outside }) => replaceOrigin(now, outside, inside), text);
}

/** Whole origins only: `http://a.example` is not part of `http://a.example.org` or `http://a.example:81`. */
function replaceOrigin(text: string, from: string, to: string): string {
  let result = "";
  let rest = text;
  for (let at = rest.indexOf(from); at >= 0; at = rest.indexOf(from)) {
    const next = rest.charAt(at + from.length);
    result += rest.slice(0, at) + (/[\w.:-]/.test(next) ? from : to);
    rest = rest.slice(at + from.length);
  }
  return result + rest;
}
