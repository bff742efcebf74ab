/**
 * Makes responses of pages: each goes through `/portald/page`, where listeners may change its words or replace it.
 * @module
 */
import { formatHex } from "#base/hex.ts";
import type { IpAddress } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import type { Random } from "#base/random.ts";
import type { HttpResponse } from "#io/http-server.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Html } from "./html.ts";
import { FOREIGN_POLICY, framePolicy, renderFrame } from "./page-frame.ts";
import type { PageName } from "./pages.ts";
import type { Words } from "./words.ts";

/** A page before the listeners have seen it. */
export interface Page {
  readonly page: PageName;
  /** 200 unless told otherwise. */
  readonly status?: number;
  readonly words: Words;
  readonly heading: string;
  readonly text?: string | undefined;
  readonly notice?: string | undefined;
  readonly button?: string | undefined;
  readonly token?: string | undefined;
  readonly url?: string | undefined;
  readonly mac?: MacAddress | undefined;
  readonly address: IpAddress;
  /** What stands below the words, with the button as the listeners left it. */
  readonly content: (button: string) => Html;
  /** Seconds after which the browser loads the page again. */
  readonly refreshSeconds?: number;
}

/** Nothing of the portal may be kept, framed, guessed at or told to the next site. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  // `same-origin` keeps the portal's address from other sites, and lets the forms' Origin field stand.
  "referrer-policy": "same-origin",
  vary: "accept-language",
};

export class PageDesk {
  readonly #bus: Bus;
  readonly #random: Random;
  readonly #title: string;

  constructor(options: { readonly bus: Bus; readonly random: Random; readonly title: string }) {
    this.#bus = options.bus;
    this.#random = options.random;
    this.#title = options.title;
  }

  /** The response that shows a page. */
  async show(page: Page): Promise<HttpResponse> {
    const { heading, text, notice, button, token, url, mac, address } = page;
    const outcome = await this.#bus.decide("/portald/page", {
      page: page.page,
      language: page.words.language,
      title: this.#title,
      heading,
      text,
      notice,
      button,
      mac,
      address,
      url,
      token,
    });
    const shown = outcome.message;
    const refresh = page.refreshSeconds === undefined ? {} : { refresh: String(page.refreshSeconds) };
    const status = page.status ?? 200;
    const replaced = shown.get("html");
    if (replaced !== undefined) {
      const policy = oneLine(shown.get("policy") ?? FOREIGN_POLICY);
      return {
        status,
        headers: { ...HEADERS, ...refresh, "content-security-policy": policy },
        body: replaced,
      };
    }
    const nonce = formatHex(this.#random.bytes(16));
    return {
      status,
      headers: { ...HEADERS, ...refresh, "content-security-policy": framePolicy(nonce) },
      body: renderFrame({
        language: page.words.language,
        title: shown.get("title") ?? this.#title,
        heading: shown.get("heading") ?? heading,
        text: shown.get("text"),
        notice: shown.get("notice"),
        content: page.content(shown.get("button") ?? button ?? ""),
        nonce,
      }),
    };
  }
}

/** A listener's text as the value of a field, which ends at a line break and holds no other control characters. */
function oneLine(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, " ");
}
