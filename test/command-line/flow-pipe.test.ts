/**
 * `metanet flow replay -` behind a program that goes on writing: rows come as flows end, and Ctrl-C shows the sum; and in
 * front of a disk that is full.
 * @module
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { it } from "node:test";
import { PcapWriter } from "#wire/pcap-writer.ts";
import { conversation } from "../support/conversation.ts";
import { CONVERSATION_EPOCH } from "../support/conversation-packet.ts";
import { LAUNCHER } from "./metanet-command.ts";

it("flow replay of a pipe shows rows while it goes on, and survives Ctrl-C until its writer has ended", async (t) => {
  const child = spawn(process.execPath, [LAUNCHER, "flow", "replay", "-"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  const talk = conversation({ client: "10.0.0.1:1025", server: "10.0.0.2:80" });
  const writer = new PcapWriter({ linkType: 1 });
  for (const packet of [...talk.handshake(), ...talk.close()]) writer.write(packet);
  child.stdin.write(writer.take());
  // Other flows, later and later by their own clock: the first is over, and its row is not kept back for theirs.
  for (let at = 1; at < 300 && !out.includes("10.0.0.1:1025"); at++) {
    const other = conversation({
      client: "10.0.0.9:9",
      server: "10.0.0.2:80",
      epoch: CONVERSATION_EPOCH + at * 10_000,
    });
    writer.write(other.syn());
    child.stdin.write(writer.take());
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.match(out, /^STREAM .*\ntcp 0 .* SF /);
  child.kill("SIGINT");
  child.stdin.end();
  const [code, signal] = await once(child, "close");
  assert.deepEqual([code, signal], [0, null]);
  assert.match(out, /\n\d+ flows in \d+ packets, /);
});

it("flow replay and follow say in a sentence that their standard output's disk is full", (t) => {
  const full = openSync("/dev/full", "w");
  t.after(() => closeSync(full));
  const talk = conversation({ client: "10.0.0.1:1025", server: "10.0.0.2:80" });
  const writer = new PcapWriter({ linkType: 1 });
  for (const packet of [...talk.handshake(), talk.client("x"), ...talk.close()]) writer.write(packet);
  const input = writer.take();
  for (const args of [
    ["replay", "-"],
    ["follow", "-", "--stream", "0"],
  ]) {
    const child = spawnSync(process.execPath, [LAUNCHER, "flow", ...args], {
      input,
      stdio: ["pipe", full, "pipe"],
      encoding: "utf8",
    });
    assert.equal(
      child.stderr,
      "metanet: Cannot write standard output: the disk is full; make room or choose another place\n",
    );
    assert.equal(child.status, 1);
  }
});
