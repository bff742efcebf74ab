/**
 * The pages: which words and which buttons. What a listener may change goes through `/portald/page` first; here is
 * only what each page shows below its words.
 * @module
 */
import { between, type Duration, type Instant } from "#base/time.ts";
import type { Session } from "#protocol/portal/session.ts";
import { type Html, html } from "./html.ts";
import { hostOf } from "./original-url.ts";
import { bytesText, durationText, type Words } from "./words.ts";

export type PageName = "login" | "welcome" | "status" | "goodbye" | "error";

/** Where each thing is. */
export const PATHS = {
  login: "/login",
  welcome: "/welcome",
  status: "/status",
  logout: "/logout",
  api: "/captive-portal/api",
} as const;

/** A big button that sends a form. */
export function loginForm(button: string, token: string, url: string | undefined): Html {
  return html`<form method="post" action="${PATHS.login}">
<input type="hidden" name="token" value="${token}">
${url !== undefined && html`<input type="hidden" name="url" value="${url}">`}
<button class="button">${button}</button></form>`;
}

/** Where to go on after the login. */
export function welcomeLinks(words: Words, url: string | undefined): Html {
  const status = html`<a class="button plain" href="${PATHS.status}">${words.statusLink}</a>`;
  if (url === undefined) return status;
  return html`<a class="button" href="${url}" rel="noreferrer">${words.continueTo(hostOf(url))}</a>
${status}`;
}

/** What the session has used, and the way out. */
export function statusTable(
  session: Session,
  words: Words,
  now: Instant,
  button: string,
  token: string,
): Html {
  const rows: [string, string][] = [
    [words.connectedFor, durationText(between(session.openedAt, now))],
    [words.received, bytesText(session.downBytes)],
    [words.sent, bytesText(session.upBytes)],
  ];
  if (session.endsAt !== undefined)
    rows.push([words.endsIn, durationText(between(now, session.endsAt) as Duration)]);
  const { quotaBytes } = session.limits;
  if (quotaBytes > 0) {
    rows.push([words.volumeLeft, bytesText(Math.max(0, quotaBytes - session.upBytes - session.downBytes))]);
  }
  return html`<dl>${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
<dt>${words.device}</dt><dd class="code">${session.mac.toString()}</dd></dl>
<form method="post" action="${PATHS.logout}"><input type="hidden" name="token" value="${token}">
<button class="button plain">${button}</button></form>`;
}

/** One way to go on. */
export function buttonLink(button: string, href: string): Html {
  return html`<a class="button" href="${href}">${button}</a>`;
}
