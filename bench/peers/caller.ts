/**
 * The process that calls: `caller.ts RUN_DIRECTORY ECHO_SOCKET [DBUS_PROGRAM]`. Prints what it measured as JSON, the
 * framed echo first, then a call, a call with one remote listener, one-way messages, and D-Bus when there is one.
 * @module
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { node } from "#app/metanet.ts";
import { encodeTuples } from "#wire/cbor.ts";
import { measure, type Subject } from "../measure.ts";
import { sampleMessage } from "../sample.ts";
import { FramedClient } from "./framed-echo.ts";

const [directory = "", echoSocket = "", dbusProgram] = process.argv.slice(2);
/** One-way messages between two calls, which make sure that they have arrived. */
const BURST = 500;

const bus = await node("caller", { directory });
const given = sampleMessage();
const echo = new FramedClient(echoSocket);
const body = encodeTuples(given.tuples);
const frame = Buffer.alloc(4 + body.length);
frame.writeUInt32LE(body.length);
frame.set(body, 4);

async function repeat(count: number, action: () => Promise<unknown>): Promise<undefined> {
  for (let index = 0; index < count; index++) await action();
}

const subjects: Subject[] = [
  { name: "framed echo", run: (count) => repeat(count, () => echo.call(frame)) },
  { name: "call", run: (count) => repeat(count, () => bus.call("owner:/bench/echo", given)) },
  { name: "watched", run: (count) => repeat(count, () => bus.call("owner:/bench/watched", given)) },
  {
    name: "one way",
    run: async (count) => {
      for (let sent = 0; sent < count; sent += BURST) {
        for (let index = 0; index < Math.min(BURST, count - sent); index++)
          bus.post("owner:/bench/sink", given);
        await bus.call("owner:/bench/echo", given);
      }
      return undefined;
    },
  },
];
if (dbusProgram) {
  subjects.push({
    name: "dbus-daemon, C clients",
    run: async (count) => Number((await promisify(execFile)(dbusProgram, ["call", String(count)])).stdout),
  });
}
process.stdout.write(JSON.stringify(await measure(subjects)));
await bus.close();
echo.close();
