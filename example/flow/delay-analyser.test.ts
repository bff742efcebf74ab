import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { capturesSkipped } from "../../test/support/captures.ts";
import {
  analyseDelays,
  type DelayRow,
  delayJson,
  delayRows,
  delayTable,
  type FlowDelays,
} from "./delay-analyser.ts";
import { DelayLane, POINT_COUNT_MAX } from "./delay-lane.ts";
import { plotDelays } from "./delay-plot.ts";
import { type Application, Simulation, type SimulationOptions } from "./delay-simulation.ts";
import { FlowWorld } from "./test-world.ts";

const FAST = 100_000_000;

/** The only connection of a simulation. */
function delaysOf(simulation: Simulation): FlowDelays {
  const all: FlowDelays[] = [];
  const world = new FlowWorld((engine) => analyseDelays(engine, (delays) => all.push(delays)));
  world.play(...simulation.run());
  world.close();
  assert.equal(all.length, 1);
  return all[0] as FlowDelays;
}

/** Within so many percent, and a few milliseconds. */
function near(actual: number, wanted: number, what: string, percent = 3): void {
  const off = Math.abs(actual - wanted);
  assert.ok(
    off <= (wanted * percent) / 100 + 0.01,
    `${what}: ${actual.toFixed(3)} s, wanted ${wanted.toFixed(3)} s`,
  );
}

/** Writes so many bytes at once. */
const bulk = (lengthBytes: number): Application => ({ start: (end) => end.write(lengthBytes) });

/** Asks `count` times for replies of `replyBytes`, each as soon as the one before is there. */
function pingPong(count: number, requestBytes: number, replyBytes: number, thinking: number) {
  let asked = 1;
  let answered = 0;
  const client: Application = {
    start: (end) => end.write(requestBytes),
    received(end, total) {
      if (total === asked * replyBytes && asked < count) {
        asked++;
        end.write(requestBytes);
      }
    },
  };
  const server: Application = {
    received(end, total) {
      if (total === (answered + 1) * requestBytes) {
        answered++;
        end.write(replyBytes, thinking);
      }
    },
  };
  return { client, server };
}

const LINKS: Readonly<Record<string, SimulationOptions>> = {
  "10 Kb/s, 100 ms": { bitsPerSecond: 10_000, delay: 100, window: 65_535, flightSegments: 4 },
  "100 Kb/s, 10 ms": { bitsPerSecond: 100_000, delay: 10, window: 65_535, flightSegments: 8 },
  "1 Mb/s, 100 ms": { bitsPerSecond: 1_000_000, delay: 100, window: 65_535, flightSegments: 10 },
  "window of 4 KB, 100 ms there and back": {
    bitsPerSecond: FAST,
    delay: 50,
    window: 4096,
    flightSegments: 40,
  },
  "window of 16 KB, 20 ms there and back": {
    bitsPerSecond: FAST,
    delay: 10,
    window: 16_384,
    flightSegments: 40,
  },
};

describe("delay-analyser", () => {
  for (const [name, options] of Object.entries(LINKS)) {
    for (const sender of ["client", "server"] as const) {
      test(`analyseDelays() knows what a ${sender} waits for that sends without a pause: ${name}`, () => {
        const simulation = new Simulation(options, { [sender]: bulk(60_000) });
        const delays = delaysOf(simulation);
        const row = delayRows(delays)[sender === "client" ? "request" : "reply"];
        const { truth } = simulation[sender];
        near(row.bandwidth, truth.bandwidth / 1000, "bandwidth");
        near(row.window, truth.window / 1000, "window");
        assert.ok(truth.bandwidth + truth.window > 50, "the link is slow enough to be seen");
        assert.equal(delays.waits.length, 0);
      });
    }
  }

  for (const [name, delay, thinking] of [
    ["100 ms each way", 100, 0],
    ["10 ms each way, 30 ms of thinking", 10, 30],
    ["1 ms each way", 1, 0],
  ] as const) {
    test(`analyseDelays() finds replies waited for: ${name}`, () => {
      const options = { bitsPerSecond: FAST, delay, window: 65_535, flightSegments: 10 };
      const delays = delaysOf(new Simulation(options, pingPong(20, 100, 300, thinking)));
      const { request, reply, total } = delayRows(delays);
      near(request.reply, (20 * (2 * delay + thinking)) / 1000, "reply");
      for (const row of [request, reply]) near(row.bandwidth + row.window, 0, "send");
      // All but the handshake was waiting.
      near(total.idle, (2 * delay) / 1000, "idle");
      assert.equal(delays.waits.length, 20);
    });
  }

  test("analyseDelays() does not take pauses of the program for the network's", () => {
    const options = { bitsPerSecond: 10_000_000, delay: 20, window: 65_535, flightSegments: 10 };
    const start: Application["start"] = (end) => {
      for (let count = 0; count < 10; count++) end.write(500, count * 300);
    };
    for (const sender of ["client", "server"] as const) {
      const rows = delayRows(delaysOf(new Simulation(options, { [sender]: { start } })));
      const row = sender === "client" ? rows.request : rows.reply;
      near(row.bandwidth + row.window, 0, "send");
      near(row.idle, 2.7 + 0.08, "idle");
    }
  });

  test("analyseDelays() tells the parts of a mixture: a pause, an upload, a reply over a slow link", () => {
    const options = { bitsPerSecond: 100_000, delay: 50, window: 8192, flightSegments: 40 };
    const simulation = new Simulation(options, {
      client: { start: (end) => end.write(30_000, 1000) },
      server: {
        received: (end, total) => {
          if (total === 30_000) end.write(40_000, 200);
        },
      },
    });
    const { request, reply, total } = delayRows(delaysOf(simulation));
    const { client, server } = simulation;
    near(request.window, client.truth.window / 1000, "request, window");
    near(request.bandwidth, client.truth.bandwidth / 1000, "request, bandwidth");
    near(reply.bandwidth + reply.window, (server.truth.bandwidth + server.truth.window) / 1000, "reply", 5);
    const sum = ({ idle, bandwidth, window, reply: wait }: DelayRow) => idle + bandwidth + window + wait;
    near(sum(total), sum(request), "both rows are of the same time", 40);
  });

  test("delayTable() prints the paper's rows, and those of all connections in the end", () => {
    let finish: () => void = () => undefined;
    const world = new FlowWorld((engine, printing) => {
      finish = delayTable(engine, printing);
    });
    const options = { bitsPerSecond: FAST, delay: 50, window: 4096, flightSegments: 40 };
    world.play(...new Simulation(options, pingPong(3, 10_000, 100, 0)).run());
    world.close();
    finish();
    const lines = world.take();
    assert.match(lines[0] ?? "", /^10\.0\.0\.1:1025 -> 10\.0\.0\.2:80, \d\.\d{3} s$/);
    assert.match(lines[1] ?? "", /Idle +Blocked on send +bandwidth +window +Blocked on reply +Network delay/);
    assert.deepEqual(
      lines.slice(2, 5).map((line) => line.split(/\s+/)[0]),
      ["request", "reply", "total"],
    );
    assert.equal(lines[5], "all 1 connections");
  });

  test("delayJson() prints spans that follow each other", () => {
    const world = new FlowWorld(delayJson);
    world.play(
      ...new Simulation(LINKS["100 Kb/s, 10 ms"] as SimulationOptions, { client: bulk(20_000) }).run(),
    );
    world.close();
    const { spans } = JSON.parse(world.take()[0] ?? "");
    let until = 0;
    for (const { from, to } of spans.request) {
      assert.ok(from >= until && to > from);
      until = to;
    }
  });

  test("DelayLane keeps so many points and no more, and counts all", () => {
    const lane = new DelayLane();
    const count = 2 * POINT_COUNT_MAX;
    for (let index = 0; index < count; index++) {
      // Elicited and not, in turns: spans that cannot be one.
      if (index % 2 === 0) lane.acknowledge(index * 10, index * 100 - 50, undefined, true);
      lane.send(index * 10, index * 100, 100);
    }
    assert.equal(lane.spans.length, POINT_COUNT_MAX);
    assert.equal(lane.packets.length, POINT_COUNT_MAX);
    assert.equal(lane.total("bandwidth") + lane.total("idle"), (count - 1) * 10);
  });

  test("plotDelays() draws every packet, in the colour of its state", () => {
    const delays = delaysOf(
      new Simulation(LINKS["10 Kb/s, 100 ms"] as SimulationOptions, { client: bulk(30_000) }),
    );
    const svg = plotDelays(delays);
    assert.equal(svg.match(/class="packet /g)?.length, delays.request.packets.length);
    assert.ok(svg.includes('class="packet bandwidth"') && svg.includes('class="ack"'));
    assert.ok(!svg.includes("NaN") && !svg.includes("Infinity"));
  });

  test("analyseDelays() accounts for all the time of connections in captures", {
    skip: capturesSkipped,
  }, async () => {
    for (const name of ["ndpi/http_auth.pcap", "ndpi/443-chrome.pcap", "ndpi/http_ipv6.pcap"]) {
      const world = new FlowWorld((engine) =>
        analyseDelays(engine, (delays) => {
          const { request, reply, total } = delayRows(delays);
          const seconds = (delays.to - delays.from) / 1000;
          for (const row of [request, reply, total])
            assert.ok(row.idle >= -1e-6 && row.idle <= seconds + 1e-6);
          assert.ok(!plotDelays(delays).includes("NaN"));
        }),
      );
      await world.replay(name);
    }
  });
});
