/**
 * What a browser, or whoever poses as one, gives the portal: targets, hosts, forms, addresses and tokens.
 * @module
 */
import assert from "node:assert/strict";
import { mac } from "#base/mac-address.ts";
import { instant } from "#base/time.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import { splitTarget, usableHost } from "#io/http-server.ts";
import { SimKeyedHash } from "#sim/keyed-hash.ts";
import { decodeForm, FORM_FIELD_COUNT_MAX } from "../src/service/portald/form.ts";
import { hostOf, originalUrl } from "../src/service/portald/original-url.ts";
import { TokenSigner } from "../src/service/portald/token.ts";
import { corpusOf, main, spoiledText, type Target } from "./target.ts";

const signer = new TokenSigner(new SimKeyedHash(), Uint8Array.of(1, 2, 3));
const client = mac("02:00:00:00:00:01");
const now = instant(1_767_225_600_000);
const token = signer.sign("login", client, now);
const corpus = [...corpusOf("web-client"), token];

export const webClient: Target<string> = {
  name: "web-client",
  invariant:
    "nothing throws, an address that is linked to is plain, and only the token that was signed is good",
  corpus,
  inputs: spoiledText(corpus, ["&", "=", "+", "@", "//", "[", "]", "<", '"', "javascript:"]),
  testRounds: 1000,
  check(text) {
    for (const from of [text, encodeUtf8(text)]) assert.ok(decodeForm(from).size <= FORM_FIELD_COUNT_MAX);
    const target = splitTarget(text);
    assert.ok(target === undefined || target.path !== "");
    assert.doesNotMatch(usableHost(text) ?? "", /[^a-z0-9._~:[\]-]/);
    const url = originalUrl(text);
    if (url !== undefined) {
      assert.match(url, /^https?:\/\/[^\s"'<>\\@]+(?:[/?#][^\s"<>\\]*)?$/i);
      // A browser reads no other host than people are shown, and no user name.
      const read = URL.parse(url);
      assert.ok(read === null || (read.username === "" && /^https?:$/.test(read.protocol)));
      assert.ok(
        read === null || hostOf(url).toLowerCase().startsWith(read.hostname) || /[\d:]/.test(read.hostname),
      );
    }
    assert.equal(signer.check(text, "login", client, now) === "good", text === token);
  },
};

if (import.meta.main) await main(webClient);
