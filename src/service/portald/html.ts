/**
 * HTML in which nothing can be forgotten to be escaped: whatever a template interpolates is text, unless it is HTML
 * that another template made.
 * @module
 */

/** Markup; only {@link html} and {@link trustedHtml} make it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What a template takes; `undefined` and `false` print nothing, lists print their items one after the other. */
export type HtmlValue = Html | string | number | undefined | false | readonly HtmlValue[];

/** Markup of a template; every value that is no {@link Html} is escaped, in attributes (always quoted) as well. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let text = parts[0] ?? "";
  for (const [index, value] of values.entries()) text += render(value) + (parts[index + 1] ?? "");
  return new Html(text);
}

/** Markup somebody with the right to replace a page has written; nothing of a client's may get here. */
export function trustedHtml(text: string): Html {
  return new Html(text);
}

function render(value: HtmlValue): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(render).join("");
  return escapeHtml(String(value));
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;",
};

/** The text with every character that could end a text or an attribute replaced. */
export function escapeHtml(text: string): string {
  if (!/[&<>"'`]/.test(text)) return text;
  return text.replace(/[&<>"'`]/g, (character) => ESCAPES[character] as string);
}
