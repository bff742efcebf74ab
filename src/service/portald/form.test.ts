import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeUtf8 } from "#base/utf8.ts";
import { decodeForm, FORM_FIELD_COUNT_MAX } from "./form.ts";
import { ORIGINAL_URL_LENGTH_MAX, originalUrl } from "./original-url.ts";

describe("decodeForm()", () => {
  const forms: readonly [string, Record<string, string>][] = [
    ["", {}],
    ["a=1&b=2", { a: "1", b: "2" }],
    ["a=1&a=2", { a: "1" }],
    ["name=J%C3%B6rg+M&x", { name: "Jörg M", x: "" }],
    ["a=%&b=%zz&c=3", { c: "3" }],
    ["__proto__=1&toString=2", { ["__proto__"]: "1", toString: "2" }],
    ["=&&==", { "": "" }],
  ];
  for (const [text, fields] of forms) {
    test(`decodeForm() reads '${text}'`, () => {
      assert.deepEqual([...decodeForm(text)], Object.entries(fields));
      assert.deepEqual(decodeForm(encodeUtf8(text)), decodeForm(text));
    });
  }

  test(`decodeForm() looks at ${FORM_FIELD_COUNT_MAX} fields and no more`, () => {
    const text = Array.from({ length: FORM_FIELD_COUNT_MAX + 5 }, (_, index) => `f${index}=`).join("&");
    assert.equal(decodeForm(text).size, FORM_FIELD_COUNT_MAX);
  });

  test("decodeForm() takes any bytes", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeForm(bytes).size <= FORM_FIELD_COUNT_MAX));
  });
});

describe("originalUrl()", () => {
  const good = [
    "http://web.example",
    "https://web.example:8443/a/b?c=d&e=%20#f",
    "http://[2001:db8::1]/",
    `http://a/${"x".repeat(ORIGINAL_URL_LENGTH_MAX - 9)}`,
  ];
  for (const url of good) {
    test(`originalUrl() keeps ${url.slice(0, 60)}`, () => assert.equal(originalUrl(url), url));
  }

  test("originalUrl() keeps nothing that could end an attribute, a field or a line", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const url = originalUrl(`http://web.example/${text}`);
        assert.match(url ?? "", /^[\x21\x23-\x26\x28-\x3b\x3d\x3f-\x7e]*$/);
      }),
    );
  });

  test("originalUrl() forgets what is one character too long", () => {
    assert.equal(originalUrl(`http://a/${"x".repeat(ORIGINAL_URL_LENGTH_MAX - 8)}`), undefined);
  });
});
