import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Node, node } from "#app/node.ts";
import { ip } from "#base/ip-address.ts";
import { contract, t } from "#contract/contract.ts";
import { PROVIDER } from "#mailbox/listener.ts";
import { answer, reject } from "#mailbox/verdict.ts";
import { type Outcome, run, start, temporaryFolder } from "./metanet-command.ts";

const gate = contract("gate", "A gate", {
  "/gate/ask": {
    says: "May somebody pass?",
    kind: "call",
    sent: "anyone",
    tags: { who: t.text("a name"), mac: t.mac("hardware address").optional() },
    answer: { who: t.text("the name"), address: t.ip("where to go").optional() },
  },
});

let directory = "";
let bus: Node;

// Hooks outside of a suite run when nothing is open any more, and the bus is.
describe("the command line", () => {
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "mn-"));
    bus = await node("gate", { directory, contracts: [gate] });
    await bus.append("/gate/ask", "gate", (message) => answer({ who: message.get("who") ?? "" }), {
      band: PROVIDER,
    });
    bus.open("/gate/never");
    await bus.append("/gate/never", "gate", () => new Promise<undefined>(() => undefined));
    bus.open("/gate/closed");
    await bus.append("/gate/closed", "gate", () => reject("the gate is closed"));
    bus.open("/gate/empty");
  });
  after(async () => {
    await bus.close();
    rmSync(directory, { recursive: true, force: true });
  });

  describe("metanet", { concurrency: 3 }, () => {
    const rows: [args: string, code: number, said: RegExp][] = [
      ["--version", 0, /^\d+\.\d+\.\d+\n$/],
      ["--help", 0, /Examples:[\s\S]*Exit codes:/],
      ["call --help", 0, /metanet call firewall:\/firewall\/permit/],
      ["lits", 2, /^metanet: Cannot read the command line: unknown command 'lits'\n\(Did you mean list\?\)/],
      ["call", 2, /missing required argument 'ADDRESS'/],
      ["call gate:/gate/ask who=ann", 0, /^who {2}ann\n$/],
      ["call --json gate:/gate/ask who=7", 0, /^\{"tuples":\[\["who","text","7"\]\]\}\n$/],
      ["call gate:/gate/ask", 7, /tag 'who' \(text\) is missing/],
      ["call gate:/gate/ask who=x mac=zz", 2, /Cannot read tuple 'mac=zz': 'zz' is not mac/],
      ["call gate:gate", 2, /Cannot use mailbox address 'gate:gate'/],
      ["call /gate/ask", 2, /it names no process; write gate:\/gate\/ask/],
      ["call gate:/gate/missing", 3, /there is no such mailbox/],
      ["call gate:/gate/empty", 3, /./],
      ["call gaet:/gate/ask", 3, /did you mean gate\?/],
      ["send gate:/gate/closed", 4, /the gate is closed/],
      ["call --timeout 50ms gate:/gate/never", 5, /./],
      ["call --timeout soon gate:/gate/never", 2, /Cannot use --timeout soon: it is not a duration/],
      ["observe --count 1 --for 50ms gate:/gate/ask", 5, /observing gate:\/gate\/ask/],
      ["list", 0, /^PROCESS +MAILBOXES[\s\S]*\ngate /],
      ["list --addresses", 0, /^gate:\/gate\/ask$/m],
      ["list gate", 0, /^gate:\/gate\/ask +call +1 +\d+ +\d+$/m],
      ["list gate:/gate/ask", 0, /^1 +gate\/gate +listener +attached +1000 +listener /m],
      ["list --json gate", 0, /^\{"mailboxes":\[\{"address":"gate:\/gate\/ask","kind":"call","listeners":1,/],
      ["describe gate:/gate/ask", 0, /May somebody pass\?\n {2}takes\n {4}who +text +a name/],
      ["describe dhcpd", 0, /\/dhcpd\/lookup \(decision\)/],
      ["status", 3, /Nothing runs in/],
      ["status --json", 3, /"running":false/],
      ["down", 3, /Nothing runs in/],
      ["up /nowhere/gw.yaml", 1, /there is no such file/],
      ["completion bash", 0, /^complete -F _metanet metanet$/m],
      ["completion fish", 2, /Allowed choices are bash, zsh/],
      ["listen --band x gate:/gate/ask", 2, /Cannot use --band x: it is not a whole number/],
      [
        "listen --prepend --append gate:/gate/ask",
        2,
        /give one of --prepend, --append, --before and --after/,
      ],
    ];
    for (const [args, code, said] of rows) {
      it(`metanet ${args} exits with ${code}`, async () => {
        const { code: seen, out, err } = await run(directory, args.split(" "));
        assert.equal(seen, code, out + err);
        assert.match(out + err, said);
      });
    }
    it("metanet tells errors as JSON with --json", async () => {
      const { out, err } = await run(directory, ["call", "--json", "gate:/gate/missing"]);
      assert.equal(out, "");
      assert.equal(JSON.parse(err).error.code, "no-such-mailbox");
    });
    it("metanet send - sends one message for each line, and names the line that is bad", async () => {
      const seen: unknown[] = [];
      const attachment = await bus.observe("/gate/ask", "test", (message) => seen.push(message.get("who")));
      const { code, err } = await run(
        directory,
        ["send", "gate:/gate/ask", "-"],
        '{"who":"ann"}\n[["who","bob"]]\n{"who":7}\n',
      );
      await attachment.detach();
      assert.deepEqual([seen, code], [["ann", "bob"], 2]);
      assert.match(err, /Cannot send line 3: in the message, tag 'who': 7 is not text/);
    });
    it("metanet list says that nothing runs", async (context) => {
      const { code, err } = await run(temporaryFolder(context), ["list"]);
      assert.deepEqual([code, /start the gateway with/.test(err)], [3, true]);
    });
  });

  const SCRIPT = `#!/bin/sh
while read -r line; do
  case $line in
    *bad*) echo 'yes' ;;
    *answer*) echo '{"verdict":"answer","tuples":{"address":"10.0.0.1"}}' ;;
    *reject*) echo '{"verdict":"reject","reason":"not you"}' ;;
    *change*) echo '{"verdict":"change","set":{"who":"somebody else"}}' ;;
    *fail*) exit 3 ;;
    *leave*) exit 0 ;;
    *) echo '{"verdict":"continue"}' ;;
  esac
done
`;

  describe("metanet listen -- SCRIPT", () => {
    let script = "";
    before(() => {
      script = join(directory, "script.sh");
      writeFileSync(script, SCRIPT);
      chmodSync(script, 0o755);
    });

    async function withScript(action: () => Promise<void>): Promise<Outcome> {
      const { said, ended } = start(directory, ["listen", "--timeout", "2s", "gate:/gate/ask", "--", script]);
      await said("listening at gate:/gate/ask");
      await action();
      return await ended;
    }
    const ask = async (who: string): Promise<unknown> => (await bus.call("/gate/ask", { who })).toObject();

    it("metanet listen lets a shell script continue, change, answer and reject, and detaches when it ends", async () => {
      const outcome = await withScript(async () => {
        assert.deepEqual(await ask("ann"), { who: "ann" });
        assert.deepEqual(await ask("change me"), { who: "somebody else" });
        assert.equal(String((await bus.call("/gate/ask", { who: "answer" })).get("address")), "10.0.0.1");
        await assert.rejects(ask("reject me"), /not you/);
        assert.deepEqual(await ask("bad"), { who: "bad" });
        assert.deepEqual(await ask("leave"), { who: "leave" });
      });
      assert.equal(outcome.code, 0, outcome.err);
      assert.match(outcome.err, /Cannot read a line of the listener: 'yes' is not JSON; message 5 continues/);
      assert.deepEqual(await ask("change me"), { who: "change me" });
    });
    it("metanet listen gives the address as its contract has it", async () => {
      const outcome = await withScript(async () => {
        const told = await bus.call("/gate/ask", { who: "answer" });
        assert.ok((told.get("address") as ReturnType<typeof ip>).equals(ip("10.0.0.1")));
        await ask("leave");
      });
      assert.equal(outcome.code, 0);
    });
    it("metanet listen exits with 1 when the script fails", async () => {
      const outcome = await withScript(async () => assert.deepEqual(await ask("fail"), { who: "fail" }));
      assert.equal(outcome.code, 1);
      assert.match(outcome.err, /script\.sh: it ended with exit code 3/);
    });
    it("metanet listen exits with 0 after Ctrl-C, which reaches the script as well", async () => {
      const args = ["listen", "gate:/gate/ask", "--", script];
      const { process: command, said, ended } = start(directory, args, ["setsid"]);
      await said("listening at gate:/gate/ask");
      process.kill(-Number(command.pid), "SIGINT");
      const outcome = await ended;
      assert.equal(outcome.code, 0, outcome.err);
      assert.doesNotMatch(outcome.err, /Cannot/);
    });
    it("metanet listen says that a program is not there", async () => {
      const outcome = await run(directory, ["listen", "gate:/gate/ask", "--", "/nowhere/program"]);
      assert.equal(outcome.code, 1, outcome.err);
      assert.match(outcome.err, /ENOENT/);
    });
    it("metanet listen speaks on its own standard input and output, and ends with its input", async () => {
      const listener = start(directory, ["listen", "--timeout", "2s", "gate:/gate/ask"]);
      await listener.said("listening at");
      const asked = ask("ann");
      await listener.said('"tuples":[["who","text","ann"]]}');
      listener.process.stdin?.write('{"id":1,"verdict":"change","set":{"who":"eve"}}\n');
      assert.deepEqual(await asked, { who: "eve" });
      listener.process.stdin?.end();
      assert.equal((await listener.ended).code, 0);
    });
  });

  describe("metanet observe, trace", () => {
    it("metanet observe prints JSON lines, and ends in order on SIGINT", async () => {
      const observer = start(directory, ["observe", "gate:/gate/*"]);
      await observer.said("observing gate:/gate/never");
      await bus.call("/gate/ask", { who: "ann" });
      await observer.said("ann");
      observer.process.kill("SIGINT");
      const { code, out } = await observer.ended;
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(out), {
        mailbox: "gate:/gate/ask",
        sender: "gate",
        tuples: [["who", "text", "ann"]],
      });
    });
    it("metanet trace shows who was asked and what they said", async () => {
      const tracer = start(directory, ["trace", "--count", "1", "--for", "5s", "gate:/gate/ask"]);
      await tracer.said("tracing");
      await bus.call("/gate/ask", { who: "ann" });
      const { code, out } = await tracer.ended;
      assert.equal(code, 0);
      assert.match(out, /who=ann\n {2}gate\/gate {2}answer .* ms\n {2}= answer\n$/);
    });
  });
});
