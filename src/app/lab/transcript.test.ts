import assert from "node:assert/strict";
import { test } from "node:test";
import { Transcript } from "./transcript.ts";

function recorder(): { texts: string[]; records: Record<string, unknown>[]; transcript: Transcript } {
  const texts: string[] = [];
  const records: Record<string, unknown>[] = [];
  let now = 0;
  const transcript = new Transcript(
    { text: (line) => texts.push(line), json: (record) => records.push({ ...record }) },
    () => (now += 500),
  );
  return { texts, records, transcript };
}

test("Transcript.step() records what was run, what was seen and that the step held", async () => {
  const { texts, records, transcript } = recorder();
  const outcome = await transcript.step({
    key: "lease",
    title: "a lease",
    run: async (log) => {
      log.did("client1", "dhclient", ["-d", "a b"]);
      log.must(true, "it has 10.77.0.100");
    },
  });
  assert.equal(outcome, "ok");
  assert.deepEqual(texts, [
    "",
    " 1  a lease",
    "    client1# dhclient -d 'a b'",
    "    it has 10.77.0.100",
    "    ok  (0.50 s)",
  ]);
  assert.equal(records.at(-1)?.outcome, "ok");
  assert.equal(transcript.held, true);
});

test("Transcript.step() records a failure with its reason and does not run what needs the failed step", async () => {
  const { texts, transcript } = recorder();
  let ran = false;
  await transcript.step({
    key: "first",
    title: "first",
    run: async (log) => log.must(false, "the door is shut", "it is open"),
  });
  const second = await transcript.step({
    key: "second",
    title: "second",
    needs: ["first"],
    run: async () => {
      ran = true;
    },
  });
  assert.equal(second, "not run");
  assert.equal(ran, false);
  assert.equal(transcript.held, false);
  assert.ok(texts.includes("    NOT: the door is shut"));
  assert.ok(texts.includes("    FAILED: it is open  (0.50 s)"));
  transcript.end();
  assert.match(texts.at(-1) ?? "", /^FAILED: 0 of 2 steps held/);
});
