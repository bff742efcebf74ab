/**
 * The Captive Portal API (RFC 8908): whether a client is captive, for its operating system. It is served over
 * plain HTTP, which the RFC does not allow (§4.1), so that nothing announces it (RFC 8910 option 114 is off).
 * @module
 */
import { between, type Instant } from "#base/time.ts";
import type { HttpResponse } from "#io/http-server.ts";
import type { Session } from "#protocol/portal/session.ts";

/** The state of a client; without an open session it is captive. */
export function captiveState(session: Session | undefined, portalUrl: string, now: Instant): HttpResponse {
  const state: Record<string, unknown> = { captive: session === undefined, "user-portal-url": portalUrl };
  if (session) {
    state["can-extend-session"] = false;
    if (session.endsAt !== undefined) {
      state["seconds-remaining"] = Math.max(0, Math.floor(between(now, session.endsAt) / 1000));
    }
    const { quotaBytes } = session.limits;
    if (quotaBytes > 0) {
      state["bytes-remaining"] = Math.max(0, quotaBytes - session.upBytes - session.downBytes);
    }
  }
  return {
    status: 200,
    headers: { "content-type": "application/captive+json", "cache-control": "private, no-store" },
    body: `${JSON.stringify(state)}\n`,
  };
}
