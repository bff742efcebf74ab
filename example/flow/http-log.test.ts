import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { capturesSkipped } from "../../test/support/captures.ts";
import { type Conversation, conversation } from "../../test/support/conversation.ts";
import { httpLog } from "./http-log.ts";
import { FlowWorld } from "./test-world.ts";

const ASK = "GET /a HTTP/1.1\r\nHost: www.example.com\r\n\r\n";

/** The lines of one connection, without time and client. */
function logOf(say: (talk: Conversation) => ReturnType<Conversation["handshake"]>): string[] {
  const world = new FlowWorld(httpLog);
  const talk = conversation();
  world.play(...talk.handshake(), ...say(talk));
  world.close();
  return world.take().map((line) => line.split(" ").slice(2).join(" "));
}

const chunked =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nyou\r\n0\r\nA: b\r\n\r\n";
const sized = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

describe("http-log", () => {
  test("httpLog() prints a line when a response is over", () => {
    const world = new FlowWorld(httpLog);
    const talk = conversation();
    world.play(...talk.handshake(), talk.client(ASK), talk.server(sized.slice(0, -1), { time: 50 }));
    assert.deepEqual(world.take(), []);
    world.play(talk.server("9"));
    assert.deepEqual(world.take(), ["22:13:20.003 10.0.0.1:1025 GET www.example.com /a 200 0+10 47.0 ms"]);
    world.close();
    assert.deepEqual(world.take(), []);
  });

  for (const [what, say, lines] of [
    [
      "several on one connection, pipelined, with bodies of all kinds",
      (talk: Conversation) => [
        talk.client(
          `${ASK}POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcHEAD /c HTTP/1.0\r\n\r\nGET /d HTTP/1.1\r\n\r\n`,
        ),
        talk.server(
          `${chunked}HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n`,
        ),
        talk.server(sized),
      ],
      [
        "GET www.example.com /a 200 0+25 1.0 ms",
        "POST - /b 204 3+0 1.0 ms",
        "HEAD - /c 200 0+0 1.0 ms",
        "GET - /d 200 0+10 2.0 ms",
      ],
    ],
    [
      "one byte in each segment",
      (talk: Conversation) => [
        ...[...ASK].map((letter) => talk.client(letter)),
        ...[...chunked].map((letter) => talk.server(letter)),
      ],
      [/^GET www.example.com \/a 200 0\+\d+ \d+.0 ms$/],
    ],
    [
      "a body that ends with its connection",
      (talk: Conversation) => [
        talk.client(ASK),
        talk.server("HTTP/1.0 200 OK\r\n\r\nall of it"),
        ...talk.close("server"),
      ],
      ["GET www.example.com /a 200 0+9 1.0 ms"],
    ],
    [
      "a request without a response",
      (talk: Conversation) => [talk.client(ASK)],
      ["GET www.example.com /a - 0+0 -"],
    ],
    [
      "100 Continue before the response",
      (talk: Conversation) => [talk.client(ASK), talk.server(`HTTP/1.1 100 Continue\r\n\r\n${sized}`)],
      ["GET www.example.com /a 200 0+10 1.0 ms"],
    ],
    [
      "a gap in a body, and goes on behind it",
      (talk: Conversation) => [
        talk.client(ASK),
        talk.server(sized.slice(0, -8)),
        talk.miss("server", 4).server("6789"),
        talk.ack("client"),
        talk.client(ASK),
        talk.server(sized),
      ],
      ["GET www.example.com /a 200 0+10 1.0 ms, 4 not seen", "GET www.example.com /a 200 0+10 1.0 ms"],
    ],
    [
      "a gap in a head, and finds the next one",
      (talk: Conversation) => [
        talk.client(ASK.slice(0, 10)),
        talk.miss("client", 100).client(ASK),
        talk.server(sized),
      ],
      ["GET www.example.com /a 200 0+10 0.0 ms"],
    ],
    [
      "nothing for what is no HTTP",
      (talk: Conversation) => [talk.client("EHLO\r\n\r\n"), talk.server("250\r\n\r\n")],
      [],
    ],
  ] as const) {
    test(`httpLog() prints ${what}`, () => {
      const found = logOf(say as never);
      assert.equal(found.length, lines.length, found.join("\n"));
      for (const [index, line] of lines.entries()) {
        if (typeof line === "string") assert.equal(found[index], line);
        else assert.match(found[index] ?? "", line);
      }
    });
  }

  test("httpLog() prints what is in a capture", { skip: capturesSkipped }, async () => {
    const world = new FlowWorld(httpLog);
    await world.replay("ndpi/http_auth.pcap");
    assert.ok(world.take().some((line) => / GET \S+ \S+ \d{3} /.test(line)));
  });
});
