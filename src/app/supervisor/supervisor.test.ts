import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { ConfigurationError } from "#base/errors.ts";
import { LinuxClock } from "#linux/clock.ts";
import { claim, readState, startTicksOf, stateFile } from "./state-file.ts";
import { Supervisor, type SupervisorOptions } from "./supervisor.ts";

/** A service that writes what it was given to its log, says it is ready, and ends on SIGTERM. */
const GOOD = `
  import { writeSync } from "node:fs";
  process.stdin.on("data", (line) => {
    console.error(JSON.stringify({ level: 30, msg: "given " + String(line).trim() }));
    writeSync(3, "ready");
  });
  process.stdin.on("end", () => process.exit(0));
  process.on("SIGTERM", () => process.exit(0));
`;

function setUp(context: TestContext, programs: Record<string, string>, after: Record<string, string[]> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "metanet-supervisor-"));
  const notes: string[] = [];
  const logged: string[] = [];
  const up = Promise.withResolvers<void>();
  const waiting: { text: string; resolve: () => void }[] = [];
  const note = (text: string): void => {
    notes.push(text);
    for (const each of waiting) if (text.startsWith(each.text)) each.resolve();
  };
  const options: SupervisorOptions = {
    clock: new LinuxClock(),
    directory,
    configuration: "gw.yaml",
    plans: Object.keys(programs).map((name) => ({ name, after: after[name] ?? [] })),
    commandOf: (name) => [process.execPath, "--input-type=module", "-e", programs[name] ?? ""],
    inputOf: (name) => `input of ${name}`,
    environment: process.env,
    log: (service, line) => logged.push(`${service} ${line}`),
    note: (_level, text) => note(text),
    onUp: () => {
      note("up");
      up.resolve();
    },
  };
  const supervisor = new Supervisor(options);
  context.after(async () => {
    supervisor.stop();
    await supervisor.ended;
    rmSync(directory, { recursive: true, force: true });
  });
  /** Resolves once a note begins with `text`, from now on. */
  const noted = (text: string): Promise<void> => new Promise((resolve) => waiting.push({ text, resolve }));
  const service = (name: string) => readState(directory)?.services.find((each) => each.name === name);
  return { directory, supervisor, notes, logged, up: up.promise, noted, service, options };
}

describe("Supervisor", () => {
  it("Supervisor starts services with their input, and collects what they log", async (context) => {
    const { supervisor, up, logged, service, notes } = setUp(
      context,
      { one: GOOD, two: GOOD },
      { two: ["one"] },
    );
    supervisor.start();
    await up;
    assert.deepEqual(notes, ["one is ready", "two is ready", "up"]);
    assert.equal(service("one")?.state, "ready");
    supervisor.stop();
    assert.equal(await supervisor.ended, undefined);
    assert.deepEqual(logged, [
      'one {"level":30,"msg":"given input of one"}',
      'two {"level":30,"msg":"given input of two"}',
    ]);
  });

  it("Supervisor starts a service again that was killed with -9", async (context) => {
    const { supervisor, up, noted, service } = setUp(context, { one: GOOD });
    supervisor.start();
    await up;
    const killed = service("one")?.pid ?? 0;
    const again = noted("one is ready");
    process.kill(killed, "SIGKILL");
    await again;
    assert.notEqual(service("one")?.pid, killed);
    assert.equal(service("one")?.restarts, 1);
  });

  it("Supervisor pauses between starts of a service that fails at once", async (context) => {
    const { supervisor, noted, notes } = setUp(context, { one: "process.exit(1)" });
    const paused = noted("one ended (exit code 1); start 4");
    supervisor.start();
    await paused;
    assert.deepEqual(
      notes.map((text) => text.replace(/in (19\d|39\d)ms/, (_, near) => `in ${near < 200 ? 200 : 400}ms`)),
      [
        "one ended (exit code 1); it is started again",
        "one ended (exit code 1); start 3 in 200ms",
        "one ended (exit code 1); start 4 in 400ms",
      ],
    );
  });

  it("Supervisor stops everything when a configuration cannot be used", async (context) => {
    const { supervisor, directory } = setUp(
      context,
      { one: GOOD, two: "process.exit(78)" },
      { two: ["one"] },
    );
    supervisor.start();
    assert.equal(await supervisor.ended, "two");
    assert.equal(readState(directory), undefined);
  });

  it("Supervisor restarts a service with its new input", async (context) => {
    let input = "old";
    const { supervisor, up, noted, logged, options } = setUp(context, { one: GOOD });
    Object.assign(options, { inputOf: () => input });
    supervisor.start();
    await up;
    input = "new";
    const again = noted("one is ready");
    supervisor.restart(["one"]);
    await again;
    assert.deepEqual(
      logged.map((line) => JSON.parse(line.slice(4)).msg),
      ["given old", "given new"],
    );
  });

  it("Supervisor counts a program that cannot be started as failed", async (context) => {
    const { supervisor, noted, options } = setUp(context, { one: GOOD });
    Object.assign(options, { commandOf: () => ["/nowhere/program"] });
    const paused = noted("one ended (spawn /nowhere/program ENOENT); start 3");
    supervisor.start();
    await paused;
  });

  it("Supervisor keeps its services when the run directory is gone", async (context) => {
    const { supervisor, up, directory, notes, noted } = setUp(context, { one: GOOD, two: GOOD });
    supervisor.start();
    await up;
    const pid = readState(directory)?.services[0]?.pid ?? 0;
    rmSync(directory, { recursive: true });
    const again = noted("one is ready");
    process.kill(pid, "SIGKILL");
    await again;
    assert.ok(
      notes.some((text) => text.startsWith("Cannot write the state for `metanet status`: Error: ENOENT")),
    );
  });

  it("Supervisor refuses a run directory that another one has", async (context) => {
    const { supervisor, up, directory, options } = setUp(context, { one: GOOD });
    supervisor.start();
    await up;
    assert.throws(() => new Supervisor(options).start(), {
      name: "ConfigurationError",
      message: `Cannot start in ${directory}: process ${process.pid} runs gw.yaml there; stop it with \`metanet down\`, or use another \`run:\` in the configuration`,
    });
  });
});

describe("claim()", () => {
  const state = {
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? 0,
    since: 0,
    configuration: "gw.yaml",
    single: false,
    services: [],
  };
  it("claim() takes over what a dead process left", (context) => {
    const directory = mkdtempSync(join(tmpdir(), "metanet-claim-"));
    context.after(() => rmSync(directory, { recursive: true }));
    // The same pid with another start time: the number was given to somebody else since.
    writeFileSync(stateFile(directory), JSON.stringify({ ...state, startTicks: 1 }));
    assert.equal(readState(directory), undefined);
    claim(directory, state);
    assert.equal(JSON.parse(readFileSync(stateFile(directory), "utf8")).startTicks, state.startTicks);
    assert.throws(() => claim(directory, state), ConfigurationError);
  });
  it("startTicksOf() knows no process that is not there", () =>
    assert.equal(startTicksOf(2 ** 22 + 1), undefined));
});
