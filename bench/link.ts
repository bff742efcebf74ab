/**
 * Calls and messages between processes, all of them pinned to one core so that the ratios say how much work a message
 * is, and not how long an idle core takes to wake up.
 * @module
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { formatTime, type Measured, type Row, ratioOf, timeRow } from "./measure.ts";

const run = promisify(execFile);
const CORE = "0";

export async function linkRows(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "metanet-bench-"));
  const running: ChildProcess[] = [];
  try {
    const dbus = await startDbus(folder, running);
    await start(running, process.execPath, [peer("framed-echo.ts"), join(folder, "echo")]);
    await start(running, process.execPath, [peer("owner.ts"), folder]);
    await start(running, process.execPath, [peer("listener.ts"), folder]);
    const words = [peer("caller.ts"), folder, join(folder, "echo"), ...(dbus ? [dbus.program] : [])];
    const { stdout } = await run("taskset", ["-c", CORE, process.execPath, ...words], {
      env: environment(folder),
    });
    return rowsOf(JSON.parse(stdout) as Measured[]);
  } finally {
    for (const child of running) child.kill("SIGTERM");
    await rm(folder, { recursive: true, force: true });
  }
}

function rowsOf(measured: readonly Measured[]): Row[] {
  const [echo, call, watched, oneWay, dbus] = measured;
  if (!echo || !call || !watched || !oneWay) throw new Error("Cannot compare links: a subject is missing");
  const perSecond = (each: Measured): string =>
    `${Math.round(1e9 / each.nanoseconds).toLocaleString("en")}/s`;
  const oneWayRatio = ratioOf(echo, oneWay);
  const rows = [
    timeRow("call between two processes, 10 tuples", call, echo, 2),
    timeRow("one more remote listener in the chain", watched, { ...call, name: "local only" }, 2.5),
    {
      what: "one-way messages of 10 tuples, 3 listeners",
      ours: perSecond(oneWay),
      peer: `framed echo ${perSecond(echo)}`,
      ratio: oneWayRatio,
      target: ">= 3.00 x",
      met: oneWayRatio >= 3,
    },
  ];
  if (dbus) rows.push(timeRow("call between two processes, 10 values", call, dbus, 1));
  else
    process.stderr.write(
      `no dbus-daemon or no sd-bus headers here: not compared (call ${formatTime(call.nanoseconds)})\n`,
    );
  return rows;
}

/** Compiles the C peer and starts a bus for it; `undefined` where the parts are missing. */
async function startDbus(folder: string, running: ChildProcess[]): Promise<{ program: string } | undefined> {
  const program = join(folder, "dbus-echo");
  try {
    await run("cc", ["-O2", peer("dbus-echo.c"), "-o", program, "-lsystemd"]);
    await run("dbus-daemon", ["--version"]);
  } catch {
    return undefined;
  }
  const config = join(folder, "dbus.conf");
  await writeFile(config, dbusConfig(join(folder, "dbus")));
  running.push(
    spawn("taskset", ["-c", CORE, "dbus-daemon", `--config-file=${config}`, "--nofork"], { stdio: "ignore" }),
  );
  await sleep(300);
  await start(running, program, ["serve"], folder);
  return { program };
}

function dbusConfig(socket: string): string {
  return `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=${socket}</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/><allow user="*"/></policy></busconfig>`;
}

function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(folder, "dbus")}` };
}

/** Starts a pinned process and waits until it says that it is ready. */
async function start(
  running: ChildProcess[],
  program: string,
  words: readonly string[],
  folder = "",
): Promise<void> {
  const child = spawn("taskset", ["-c", CORE, program, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
    env: environment(folder),
  });
  running.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) =>
      reject(new Error(`Cannot start ${program} ${words[0]}: it ended with ${code}`)),
    );
  });
}

function peer(name: string): string {
  return join(import.meta.dirname, "peers", name);
}
