/**
 * A client's way through the portal with curl: what an answer says, the login form as the portal serves it, and
 * the log-out. The form is read and sent back as it is, so that this holds for any page the portal makes.
 * @module
 */
import { UnavailableError } from "#base/errors.ts";
import { seconds } from "#base/time.ts";
import { GATEWAY } from "./address-plan.ts";
import type { LabHost } from "./lab-host.ts";

/** The part of an HTTP answer that the lab looks at. */
export interface Answer {
  /** 0 when there was none. */
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
  /** Why there is none, in curl's words; empty when there is one. */
  readonly problem: string;
  readonly command: { readonly command: string; readonly args: readonly string[] };
}

/** A form of a page, ready to be sent. */
export interface Form {
  readonly action: string;
  readonly fields: readonly (readonly [string, string])[];
}

/** The portal did not behave as a client needs. */
export class PortalVisitError extends UnavailableError {
  override readonly code: string = "lab-portal-visit";
}

/** The portal's own address, as clients see it. */
export const PORTAL_ORIGIN: string = `http://${GATEWAY.inside.four}:${GATEWAY.portalPort}`;

/** Whether an address is the portal's, reached over IPv4 or IPv6. */
export function isPortal(url: string | undefined): boolean {
  const parsed = URL.parse(url ?? "");
  const hosts: readonly string[] = [GATEWAY.inside.four, `[${GATEWAY.inside.six}]`];
  return parsed !== null && hosts.includes(parsed.hostname) && parsed.port === String(GATEWAY.portalPort);
}

/** Marks the end of the body in curl's output. */
const TRAILER = "\n--metanet-lab--\n";

/** Fetches a page with curl on a client; redirects are reported, not followed. */
export async function fetchPage(host: LabHost, url: string, more: readonly string[] = []): Promise<Answer> {
  const patience = more.includes("-m") ? [] : ["-m", "5"];
  const shown = ["-sS", ...patience, ...more, url];
  const args = [...shown.slice(0, -1), "-w", `${TRAILER}%{http_code} %{redirect_url}`, url];
  const { stdout, stderr } = await host.run("curl", args, { accept: "any", timeout: seconds(10) });
  const at = stdout.lastIndexOf(TRAILER);
  const [status = "0", location = ""] = stdout.slice(at + TRAILER.length).split(" ");
  return {
    status: Number(status),
    location: location === "" ? undefined : location,
    body: at < 0 ? "" : stdout.slice(0, at),
    problem: stderr.trim(),
    command: { command: "curl", args: shown },
  };
}

/**
 * Logs a client in the way a browser does: a plain page, the redirect, the form; `more` are options of curl.
 * @throws PortalVisitError when the portal does not lead there
 */
export async function logIn(host: LabHost, more: readonly string[] = []): Promise<Answer> {
  const site = "http://example.org/";
  const caught = await fetchPage(host, site, more);
  if (caught.status !== 307 || !caught.location) {
    throw new PortalVisitError(
      `Cannot log ${host.name} in: ${site} was answered with ${caught.status}, not 307`,
    );
  }
  const login = await fetchPage(host, caught.location);
  return sendForm(host, caught.location, login.body, /./, "log in");
}

/**
 * Logs a client out with the form of its status page.
 * @throws PortalVisitError when the page has no such form
 */
export async function logOut(host: LabHost): Promise<Answer> {
  const url = `${PORTAL_ORIGIN}/status`;
  const status = await fetchPage(host, url);
  return sendForm(host, url, status.body, /logout/, "log out");
}

/** The forms of a page, in order. */
export function formsOf(page: string): Form[] {
  return [...page.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head = "", inner = ""]) => ({
    action: attribute(head, "action") ?? "",
    fields: [...inner.matchAll(/<(?:input|button)\b([^>]*)>/gi)]
      .map(([, tag = ""]) => [attribute(tag, "name"), attribute(tag, "value") ?? ""] as const)
      .flatMap(([name, value]) => (name === undefined ? [] : [[name, value] as const])),
  }));
}

async function sendForm(
  host: LabHost,
  pageUrl: string,
  page: string,
  action: RegExp,
  what: string,
): Promise<Answer> {
  const form = formsOf(page).find((one) => action.test(one.action));
  if (!form) throw new PortalVisitError(`Cannot ${what} on ${host.name}: ${pageUrl} has no form for it`);
  const fields = form.fields.flatMap(([name, value]) => ["--data-urlencode", `${name}=${value}`]);
  const target = new URL(form.action, pageUrl);
  const method = fields.length > 0 ? fields : ["-X", "POST"];
  const answer = await fetchPage(host, target.href, [...method, "-H", `Origin: ${target.origin}`]);
  if (answer.status >= 200 && answer.status < 400) return answer;
  throw new PortalVisitError(
    `Cannot ${what} on ${host.name}: ${target.href} was answered with ${answer.status}`,
  );
}

function attribute(tag: string, name: string): string | undefined {
  const found = new RegExp(`\\b${name}\\s*=\\s*("([^"]*)"|'([^']*)'|([^\\s>]+))`, "i").exec(tag);
  return found ? plain(found[2] ?? found[3] ?? found[4] ?? "") : undefined;
}

function plain(text: string): string {
  return text
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}
