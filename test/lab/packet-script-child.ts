/**
 * An engine in a process of its own, to be killed: `packet-script-child.ts FILE drop|accept`.
 * @module
 */
import { milliseconds } from "#base/time.ts";
import { newEngine } from "./packet-script-engine.ts";

const [file = "", onError = "drop"] = process.argv.slice(2);
await newEngine().load({
  name: "case",
  file,
  function: "byLetter",
  hook: "forward",
  family: "inet",
  match: "udp dport 4000-9999",
  isolate: "case",
  onError: onError === "accept" ? "accept" : "drop",
  queueCount: 1,
  deadline: milliseconds(300),
  timeLimit: milliseconds(250),
});
process.stdout.write("ready\n");
