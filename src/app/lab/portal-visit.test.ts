import assert from "node:assert/strict";
import { test } from "node:test";
import { formsOf } from "./portal-visit.ts";

test("formsOf() reads actions, hidden fields and entities of every form on a page", () => {
  const page = `<form method="post" action="/login?a=1&amp;b=2"><input type=hidden name=token value='x"y'>
    <input type="hidden" value="http://example.org/?q=&lt;1&gt;" name="target"><button>Go</button></form>
    <form action="/logout"><button name="sure" value="yes">Out</button></form>`;
  assert.deepEqual(formsOf(page), [
    {
      action: "/login?a=1&b=2",
      fields: [
        ["token", 'x"y'],
        ["target", "http://example.org/?q=<1>"],
      ],
    },
    { action: "/logout", fields: [["sure", "yes"]] },
  ]);
});

test("formsOf() finds nothing on a page without forms", () => {
  assert.deepEqual(formsOf("<p>no form</p>"), []);
});
