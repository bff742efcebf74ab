import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { milliseconds } from "#base/time.ts";
import { Message } from "#mailbox/message.ts";
import { stop } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { FORGET_AFTER, LineListener, WAITING_MAX } from "./line-listener.ts";
import { readLines } from "./lines.ts";

const CONTEXT = { mailbox: "/door", sender: "gate", hops: 0 };

function setUp() {
  const clock = new SimClock();
  const written: string[] = [];
  const notes: string[] = [];
  const listener = new LineListener({
    clock,
    timeout: milliseconds(250),
    takes: new Map(),
    answers: new Map(),
    write: (line) => written.push(line),
    note: (text) => notes.push(text),
  });
  const send = (who: string) => listener.listen(Message.fromTuples(["who", who]), CONTEXT);
  return { clock, written, notes, listener, send };
}

describe("LineListener", () => {
  it("LineListener writes a message and gives the verdict that names it, in any order", async () => {
    const { written, listener, send } = setUp();
    const first = send("ann");
    const second = send("bob");
    assert.equal(written[1], '{"id":2,"mailbox":"/door","sender":"gate","tuples":[["who","text","bob"]]}');
    listener.line('{"id":2,"verdict":"stop"}');
    listener.line('{"id":1,"verdict":"continue"}');
    assert.deepEqual(await first, { verdict: "continue" });
    assert.deepEqual(await second, stop);
  });
  it("LineListener takes a verdict without id for the oldest message", async () => {
    const { listener, send } = setUp();
    const first = send("ann");
    void send("bob");
    listener.line('{"verdict":"stop"}');
    assert.deepEqual(await first, stop);
  });

  const bad: [line: string, note: string][] = [
    ["yes", "Cannot read a line of the listener: 'yes' is not JSON; message 1 continues"],
    [
      '{"id":2,"verdict":"yes"}',
      'Cannot read a line of the listener: verdict is "yes"; write continue, stop, reject, change or answer; message 2 continues',
    ],
    ['{"id":7,"verdict":"stop"}', "Cannot use a verdict: message 7 does not wait for one"],
  ];
  for (const [line, note] of bad) {
    it(`LineListener tells what is wrong with ${line}`, () => {
      const { listener, notes, send } = setUp();
      void send("ann");
      void send("bob");
      listener.line(line);
      assert.deepEqual(notes, [note]);
    });
  }
  it("LineListener continues a message whose line was bad", async () => {
    const { listener, send } = setUp();
    const first = send("ann");
    listener.line("yes");
    assert.equal(await first, undefined);
    assert.equal(listener.counters.badLines, 1);
  });
  it("LineListener tells a late verdict, which is still the one of its message", async () => {
    const { clock, listener, notes, send } = setUp();
    const first = send("ann");
    await clock.advance(milliseconds(251));
    const second = send("bob");
    listener.line('{"verdict":"stop"}');
    listener.line('{"verdict":"continue"}');
    assert.deepEqual(await first, stop);
    assert.deepEqual(await second, { verdict: "continue" });
    assert.deepEqual(notes, ["Cannot use a verdict: message 1 has gone on without it"]);
    assert.equal(listener.counters.late, 1);
  });
  it(`LineListener forgets a message that nobody answers for ${FORGET_AFTER} ms`, async () => {
    const { clock, listener, notes, send } = setUp();
    const first = send("ann");
    await clock.advance(FORGET_AFTER);
    assert.equal(await first, undefined);
    listener.line('{"verdict":"stop"}');
    assert.deepEqual(notes, ["Cannot use a verdict: no message waits for one"]);
  });
  it(`LineListener passes over messages beyond ${WAITING_MAX} that wait`, () => {
    const { listener, send, written } = setUp();
    for (let count = 0; count < WAITING_MAX; count++) void send("ann");
    assert.equal(send("bob"), undefined);
    assert.equal(listener.counters.overflow, 1);
    assert.equal(written.length, WAITING_MAX);
  });
  it("LineListener continues everything when the script ends, and what comes after it", async () => {
    const { listener, send } = setUp();
    const first = send("ann");
    listener.end();
    assert.equal(await first, undefined);
    assert.equal(send("bob"), undefined);
  });
});

describe("readLines()", () => {
  async function linesOf(chunks: readonly (string | Uint8Array)[]): Promise<string[]> {
    const lines: string[] = [];
    await readLines(
      (async function* () {
        yield* chunks;
      })(),
      4,
      { line: (text) => lines.push(text), tooLong: () => lines.push("(too long)") },
    );
    return lines;
  }
  const rows: [what: string, chunks: (string | Uint8Array)[], lines: string[]][] = [
    ["lines over chunks", ["a", "b\nc", "d\n"], ["ab", "cd"]],
    ["a last line without its end", ["ab"], ["ab"]],
    ["characters over chunks", [Uint8Array.of(0xc3), Uint8Array.of(0xa9, 0x0a)], ["é"]],
    ["a line that is too long", ["ab\n1234", "5678", "9\ncd\n"], ["ab", "(too long)", "cd"]],
  ];
  for (const [what, chunks, lines] of rows) {
    it(`readLines() gives ${what}`, async () => assert.deepEqual(await linesOf(chunks), lines));
  }
});
