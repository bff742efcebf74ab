import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { capturesSkipped } from "../../test/support/captures.ts";
import { conversation } from "../../test/support/conversation.ts";
import { changes, midstat } from "./midstat.ts";
import { FlowWorld } from "./test-world.ts";

describe("midstat", () => {
  test("midstat() prints a table a second after something happened, and how connections end", () => {
    const world = new FlowWorld(midstat);
    const web = conversation();
    const mail = conversation({ client: "[2001:db8::1]:1025", server: "[2001:db8::2]:25" });
    world.play(...web.handshake(), web.client("GET /"), ...mail.handshake().slice(0, 1));
    assert.deepEqual(world.take(), []);
    world.play(web.server("hello", { time: 1500 }));
    assert.deepEqual(world.take(), [
      "2 connections, 2 began, 0 ended",
      "Client              State        Sent  Server            State        Sent  Packets  Idle s",
      "10.0.0.1:1025       ESTABLISHED     5  10.0.0.2:80       ESTABLISHED     0        4     0.0",
      "[2001:db8::1]:1025  SYN_SENT        0  [2001:db8::2]:25  SYN_RCVD        0        1     0.0",
    ]);
    world.play(...web.close());
    world.close();
    assert.deepEqual(world.take(), [
      "22:13:21.503 10.0.0.1:1025 -- 10.0.0.2:80 ended: closed, 5 and 5 bytes, 1.503 s",
      "22:13:21.503 [2001:db8::1]:1025 -- [2001:db8::2]:25 ended: end-of-input, 0 and 0 bytes, 0.000 s",
    ]);
  });

  test("midstat() is quiet while nothing happens", () => {
    const world = new FlowWorld(midstat);
    const talk = conversation();
    world.play(...talk.handshake());
    world.play(talk.client("after an hour", { time: 3_600_000 }));
    // The table of the first second, and the end by time-out.
    assert.equal(world.take().filter((line) => line.includes("connections,")).length, 1);
  });

  test("changes() prints what each end goes through", () => {
    const world = new FlowWorld(changes);
    const talk = conversation();
    world.play(...talk.handshake(), ...talk.close());
    assert.deepEqual(
      world.take().map((line) => line.slice(line.indexOf("80") + 3)),
      [
        "client: CLOSED -> SYN_SENT",
        "server: LISTEN -> SYN_RCVD",
        "client: SYN_SENT -> ESTABLISHED",
        "server: SYN_RCVD -> ESTABLISHED",
        "client: ESTABLISHED -> FIN_WAIT_1",
        "server: ESTABLISHED -> CLOSE_WAIT",
        "server: CLOSE_WAIT -> LAST_ACK",
        "client: FIN_WAIT_1 -> FIN_WAIT_2",
        "client: FIN_WAIT_2 -> TIME_WAIT",
        "server: LAST_ACK -> CLOSED",
      ],
    );
  });

  test("midstat() tells of every connection of a capture", { skip: capturesSkipped }, async () => {
    const world = new FlowWorld(midstat);
    const { flowsSeen } = await world.replay("ndpi/http_auth.pcap");
    const ends = world.take().filter((line) => line.includes(" ended: "));
    assert.ok(ends.length > 0 && ends.length <= flowsSeen);
  });
});
