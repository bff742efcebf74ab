import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { html } from "./html.ts";

describe("html", () => {
  test("escapes every text, in content and in attributes", () => {
    const text = `<b>"it's" & \`so\`</b>`;
    const escaped = "&lt;b&gt;&quot;it&#39;s&quot; &amp; &#96;so&#96;&lt;/b&gt;";
    assert.equal(html`<p title="${text}">${text}</p>`.text, `<p title="${escaped}">${escaped}</p>`);
  });

  test("takes other templates as they are, lists item by item, and prints nothing for what is absent", () => {
    const items = [1, 2].map((count) => html`<li>${count}</li>`);
    assert.equal(html`<ul>${items}</ul>${undefined}${false}`.text, "<ul><li>1</li><li>2</li></ul>");
  });

  test("never lets a text end its place, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const page = html`<a href="${text}">${text}</a>`.text;
        assert.match(page, /^<a href="[^"<>'`]*">[^"<>'`]*<\/a>$/);
      }),
    );
  });
});
