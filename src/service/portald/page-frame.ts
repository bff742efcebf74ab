/**
 * What every page has in common: one column that fits a phone, light and dark, a few hundred bytes of style, no
 * script, nothing from anywhere else.
 * @module
 */
import { type Html, html, trustedHtml } from "./html.ts";

/** Colours have a contrast of at least 4.5 to 1 against their ground (WCAG 2.2 §1.4.3), in both schemes. */
const STYLE = `
:root{color-scheme:light dark;--ground:#f2f4f5;--card:#fff;--ink:#1b2326;--soft:#55646b;--line:#dbe1e4;--go:#0b6b57;--go-ink:#fff;--warn:#fff4d6;--warn-ink:#5b4300}
@media(prefers-color-scheme:dark){:root{--ground:#12181a;--card:#1b2326;--ink:#eef2f3;--soft:#a3b1b7;--line:#344046;--go:#4fd1ae;--go-ink:#06251d;--warn:#3d3212;--warn-ink:#ffe3a1}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;flex-direction:column;align-items:center;justify-content:center;padding:1.25rem;background:var(--ground);color:var(--ink);font:1.0625rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:2rem 1.5rem 1.75rem}
.name{display:flex;align-items:center;gap:.6rem;margin:0 0 1.5rem;color:var(--soft);font-weight:600;overflow-wrap:anywhere}
.name svg{flex:none;width:1.75rem;height:1.75rem;color:var(--go)}
h1{margin:0 0 .5rem;font-size:1.625rem;line-height:1.2;overflow-wrap:anywhere}
p{margin:0 0 1.25rem;overflow-wrap:anywhere}
.notice{margin-top:.9rem;padding:.75rem 1rem;border-radius:.6rem;background:var(--warn);color:var(--warn-ink)}
.button{display:block;width:100%;min-height:3.25rem;padding:.8rem 1rem;border:2px solid var(--go);border-radius:.75rem;background:var(--go);color:var(--go-ink);font:inherit;font-weight:650;font-size:1.125rem;text-align:center;text-decoration:none;cursor:pointer;overflow-wrap:anywhere}
.button.plain{background:none;color:var(--go)}
.button:focus-visible,a:focus-visible{outline:3px solid var(--ink);outline-offset:3px}
.button:active{filter:brightness(.9)}
form+.button,.button+.button,.button+p,.button+form,dl+form{margin-top:1rem}
p:last-child{margin-bottom:0}
a{color:var(--go)}
dl{display:grid;grid-template-columns:auto 1fr;gap:.65rem 1rem;margin:1.25rem 0 1.5rem;padding:1rem 0;border:solid var(--line);border-width:1px 0}
dt{color:var(--soft)}
dd{margin:0;align-self:center;text-align:right;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
dd.code{font-size:.875rem;overflow-wrap:normal}
`.trim();

/** Three arcs over a dot: a network. */
const MARK: Html = trustedHtml(
  '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" aria-hidden="true"><path d="M2.5 9a14 14 0 0 1 19 0M6 13a9 9 0 0 1 12 0M9.3 16.7a4 4 0 0 1 5.4 0"/><circle cx="12" cy="20" r=".6" fill="currentColor"/></svg>',
);

/** A page's words and what stands below them. */
export interface Frame {
  readonly language: string;
  /** The network's name. */
  readonly title: string;
  readonly heading: string;
  readonly text?: string | undefined;
  readonly notice?: string | undefined;
  readonly content: Html;
  /** Names the one style element that the page's policy allows. */
  readonly nonce: string;
}

/** A whole page. */
export function renderFrame(frame: Frame): string {
  const page = html`<!DOCTYPE html>
<html lang="${frame.language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="robots" content="noindex">
<title>${frame.heading} – ${frame.title}</title>
<style nonce="${frame.nonce}">${trustedHtml(STYLE)}</style></head>
<body><main>
<div class="name">${MARK}<span>${frame.title}</span></div>
<h1>${frame.heading}</h1>
${frame.notice !== undefined && html`<p class="notice" role="status">${frame.notice}</p>`}
${frame.text !== undefined && html`<p>${frame.text}</p>`}
${frame.content}
</main></body></html>
`;
  return page.text;
}

/** The policy of our own pages (Content Security Policy Level 3): our style, our forms, nothing else, no frames. */
export function framePolicy(nonce: string): string {
  return `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
}

/** The policy of a page a listener wrote, when it brought none of its own. */
export const FOREIGN_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
