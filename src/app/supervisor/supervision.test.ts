import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { after, instant, seconds } from "#base/time.ts";
import { EXIT_CONFIGURATION, PAUSE_MAX, Supervision, type SupervisionEvent } from "./supervision.ts";

const PLANS = [
  { name: "firewall", after: [] },
  { name: "dhcpd", after: ["firewall"] },
  { name: "portald", after: ["firewall"] },
];

/** `ready dhcpd`, `exit dhcpd 78`, `start`: an event as a line of a story. */
function event(line: string): SupervisionEvent {
  const [kind, name = "", code] = line.split(" ");
  if (kind === "exit") return { kind, name, code: code === undefined ? undefined : Number(code) };
  if (kind === "ready") return { kind, name };
  if (kind === "restart") return { kind, names: [name] };
  return { kind: kind as "start" | "stop" | "time" };
}

type Row = [atSeconds: number, event: string, actions: string[], wakesAtSeconds: number | undefined];

function tell(rows: readonly Row[]): Supervision {
  const begin = instant(1_000_000);
  const machine = new Supervision(PLANS, begin);
  for (const [at, line, wanted, wakesAt] of rows) {
    const actions = machine.handle(event(line), after(begin, seconds(at)));
    const shown = actions.map((action) => {
      if (action.kind === "down") return action.failed === undefined ? "down" : `down ${action.failed}`;
      return action.kind === "up" ? "up" : `${action.kind} ${action.name}`;
    });
    assert.deepEqual(shown, wanted, `${at} s: ${line}`);
    const wake = machine.wakeAt();
    const seconds_ = wake === undefined ? undefined : Math.round(wake - begin) / 1000;
    assert.equal(seconds_, wakesAt, `wakes after ${at} s: ${line}`);
  }
  return machine;
}

const STARTED: Row[] = [
  [0, "start", ["spawn firewall"], 15],
  [1, "ready firewall", ["spawn dhcpd", "spawn portald"], 16],
  [2, "ready dhcpd", [], 16],
  [3, "ready portald", ["up"], 61],
];

const stories: Record<string, Row[]> = {
  "starts the firewall first, and the rest when it is ready": STARTED,
  "stops in the reverse order": [
    ...STARTED,
    [10, "stop", ["terminate dhcpd", "terminate portald"], 15],
    [11, "exit portald 0", [], 15],
    [12, "exit dhcpd 0", ["terminate firewall"], 17],
    [13, "exit firewall 0", ["down"], undefined],
  ],
  "kills what does not end in 5 s": [
    ...STARTED,
    [10, "stop", ["terminate dhcpd", "terminate portald"], 15],
    [11, "exit portald 0", [], 15],
    [15, "time", ["kill dhcpd"], 61],
    [15.1, "exit dhcpd", ["terminate firewall"], 20.1],
    [16, "exit firewall 0", ["down"], undefined],
  ],
  "starts a service that died at once, then after a pause that doubles": [
    ...STARTED,
    [10, "exit dhcpd", ["spawn dhcpd"], 25],
    [10.1, "exit dhcpd 1", [], 10.3],
    [10.3, "time", ["spawn dhcpd"], 25.3],
    [10.4, "exit dhcpd 1", [], 10.8],
    [10.8, "time", ["spawn dhcpd"], 25.8],
    [11, "exit dhcpd 1", [], 11.8],
  ],
  "forgets failures after 60 s of health": [
    ...STARTED,
    [10, "exit dhcpd", ["spawn dhcpd"], 25],
    [11, "exit dhcpd", [], 11.2],
    [11.2, "time", ["spawn dhcpd"], 26.2],
    [12, "ready dhcpd", [], 61],
    [61, "time", [], 63],
    [63, "time", [], 72],
    [72, "time", [], undefined],
    [100, "exit dhcpd", ["spawn dhcpd"], 115],
  ],
  "restarts the firewall without its dependants": [
    ...STARTED,
    [10, "exit firewall", ["spawn firewall"], 25],
    [11, "ready firewall", [], 62],
  ],
  "starts a dependant again while the firewall is away": [
    ...STARTED,
    [10, "exit firewall", ["spawn firewall"], 25],
    [11, "exit dhcpd", ["spawn dhcpd"], 25],
  ],
  "ends a service that is not ready in 15 s, and counts it as failed": [
    [0, "start", ["spawn firewall"], 15],
    [15, "time", ["kill firewall"], undefined],
    [15.1, "exit firewall", ["spawn firewall"], 30.1],
  ],
  "stops all that was started when a configuration cannot be used": [
    [0, "start", ["spawn firewall"], 15],
    [1, "ready firewall", ["spawn dhcpd", "spawn portald"], 16],
    [2, `exit dhcpd ${EXIT_CONFIGURATION}`, ["terminate portald"], 7],
    [3, "exit portald 0", ["terminate firewall"], 8],
    [4, "exit firewall 0", ["down dhcpd"], undefined],
  ],
  "gives up at the start when a service fails again and again": [
    [0, "start", ["spawn firewall"], 15],
    [0.1, "exit firewall 1", ["spawn firewall"], 15.1],
    [0.2, "exit firewall 1", [], 0.4],
    [0.4, "time", ["spawn firewall"], 15.4],
    [0.5, "exit firewall 1", [], 0.9],
    [0.9, "time", ["spawn firewall"], 15.9],
    [1, "exit firewall 1", [], 1.8],
    [1.8, "time", ["spawn firewall"], 16.8],
    [1.9, "exit firewall 1", ["down firewall"], undefined],
  ],
  "restarts, and stops nothing, when a configuration cannot be used later": [
    ...STARTED,
    [10, `exit dhcpd ${EXIT_CONFIGURATION}`, ["spawn dhcpd"], 25],
  ],
  "stops what pauses without starting it again": [
    [0, "start", ["spawn firewall"], 15],
    [1, "exit firewall 1", ["spawn firewall"], 16],
    [2, "exit firewall 1", [], 2.2],
    [2.1, "stop", ["down"], undefined],
    [3, "time", [], undefined],
  ],
  "starts a service again with its new configuration, without a pause": [
    ...STARTED,
    [10, "restart dhcpd", ["terminate dhcpd"], 15],
    [11, "exit dhcpd 0", ["spawn dhcpd"], 26],
  ],
  "takes a service whose pause is running off it when its configuration changes": [
    ...STARTED,
    [10, "exit dhcpd", ["spawn dhcpd"], 25],
    [11, "exit dhcpd", [], 11.2],
    [11.1, "restart dhcpd", ["spawn dhcpd"], 26.1],
  ],
  "passes over events of services it does not have": [
    ...STARTED,
    [10, "exit nobody 1", [], 61],
    [11, "ready nobody", [], 61],
  ],
};

describe("Supervision", () => {
  for (const [what, rows] of Object.entries(stories)) it(`Supervision ${what}`, () => void tell(rows));

  it(`Supervision never pauses longer than ${PAUSE_MAX} ms`, () => {
    const machine = tell(STARTED);
    let now = instant(2_000_000);
    for (let count = 0; count < 20; count++) {
      machine.handle(event("exit dhcpd 1"), now);
      const status = machine.status().find(({ name }) => name === "dhcpd");
      if (status?.state !== "pausing") continue;
      const wake = machine.wakeAt() ?? now;
      now = after(now, PAUSE_MAX);
      assert.ok(wake <= now, "the pause is over");
      assert.deepEqual(
        machine.handle(event("time"), now).filter(({ kind }) => kind === "spawn"),
        [{ kind: "spawn", name: "dhcpd" }],
      );
    }
    assert.equal(machine.status().find(({ name }) => name === "dhcpd")?.restarts, 20);
  });
});
