/**
 * `send` to local listeners against Node's EventEmitter. Each size runs in a process of its own, because the
 * engine's optimiser remembers what the code before it looked like.
 * @module
 */
import { execFile } from "node:child_process";
import { EventEmitter } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LinuxClock } from "#linux/clock.ts";
import { Bus } from "#mailbox/bus.ts";
import { message } from "#mailbox/message.ts";
import { type Measured, measure, type Row, timeRow } from "./measure.ts";

const LISTENER_COUNTS: readonly number[] = [1, 3, 10];

export async function mailboxRows(): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of LISTENER_COUNTS) {
    const { stdout } = await promisify(execFile)(process.execPath, [
      fileURLToPath(import.meta.url),
      String(count),
    ]);
    const [peer, ours] = JSON.parse(stdout) as [Measured, Measured];
    rows.push(timeRow(`send to ${count} local listener${count > 1 ? "s" : ""}`, ours, peer, 1.5));
  }
  return rows;
}

async function compare(listenerCount: number): Promise<Measured[]> {
  const bus = new Bus({ name: "bench", clock: new LinuxClock() });
  const emitter = new EventEmitter();
  let sum = 0;
  for (let index = 0; index < listenerCount; index++) {
    await bus.append("/bench/message", `listener-${index}`, (given) => {
      sum += given.size;
    });
    emitter.on("message", (given) => {
      sum += given.size;
    });
  }
  const given = message({ xid: 7, name: "client" });
  const subjects = [
    {
      name: "EventEmitter.emit",
      run: (count: number) => repeat(count, () => emitter.emit("message", given, emitter)),
    },
    { name: "send", run: (count: number) => repeat(count, () => bus.send("/bench/message", given)) },
  ];
  const measured = await measure(subjects);
  if (sum === 0) throw new Error("Cannot compare: no listener ran");
  return measured;
}

function repeat(count: number, action: () => void): undefined {
  for (let index = 0; index < count; index++) action();
}

if (import.meta.main) process.stdout.write(JSON.stringify(await compare(Number(process.argv[2] ?? 3))));
