import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LimitExceededError, ProtocolViolationError, UnavailableError } from "#base/errors.ts";
import { encodeUtf8 } from "#base/utf8.ts";
import type { RefusalReason } from "#io/socket-handover.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  HANDOVER_BYTES_MAX,
  SocketDeniedError,
} from "./handover-message.ts";

describe("decodeRequest()", () => {
  it("decodeRequest() reads what encodeRequest() wrote", () => {
    const request = { kind: "dhcp4", interface: "lan0" } as const;
    assert.deepEqual(decodeRequest(encodeRequest(request)), request);
  });

  it("decodeRequest() says what is wrong with any other bytes, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(encodeUtf8)), (bytes) => {
        assert.equal(typeof decodeRequest(bytes), "string");
      }),
    );
  });
});

describe("decodeAnswer()", () => {
  it("decodeAnswer() of a grant is no error", () => assert.equal(decodeAnswer(encodeAnswer()), undefined));

  const errors: [RefusalReason, new (message: string) => Error][] = [
    ["denied", SocketDeniedError],
    ["busy", LimitExceededError],
    ["unavailable", UnavailableError],
    ["malformed", ProtocolViolationError],
    ["silent", ProtocolViolationError],
  ];
  for (const [reason, expected] of errors) {
    it(`decodeAnswer() makes ${reason} a ${expected.name} with the broker's words`, () => {
      const error = decodeAnswer(encodeAnswer({ reason, message: "no such luck" }));
      assert.ok(error instanceof expected);
      assert.match(error.message, /^Cannot get a socket from the broker: no such luck$/);
    });
  }

  it("decodeAnswer() takes any other bytes for a broken promise, and never throws", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(encodeUtf8)), (bytes) => {
        assert.ok(decodeAnswer(bytes) instanceof ProtocolViolationError);
      }),
    );
  });

  it("encodeAnswer() fits into one message however long the reason is", () => {
    const { length } = encodeAnswer({ reason: "unavailable", message: '\u{1f600}"'.repeat(5000) });
    assert.ok(length <= HANDOVER_BYTES_MAX);
  });
});
