import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { type Duration, milliseconds } from "#base/time.ts";
import { PacketFlag, PacketVerdict, queueVerdict } from "#io/packet-queue.ts";
import { build } from "#packet/build.ts";
import { ipv4 } from "#packet/ipv4.ts";
import type { Packet } from "#packet/packet.ts";
import { udp } from "#packet/udp.ts";
import { SimClock } from "#sim/clock.ts";
import { type SimPacket, SimPacketQueue } from "#sim/packet-queue.ts";
import type { Context, PacketScript, SendOptions } from "./context.ts";
import { DEFERRED_COUNT_MAX } from "./deferred-actions.ts";
import type { ReadConnection, ScriptHost, Settled } from "./host.ts";
import { OUTBOX_COUNT_MAX } from "./outbox.ts";
import { type RunnerOptions, ScriptRunner } from "./runner.ts";
import { LOG_COUNT_PER_SECOND_MAX } from "./script-context.ts";
import { accept, delayed, drop, later, mark, proceed, queue, REPEAT_COUNT_MAX, repeat } from "./verdict.ts";

const DONE = 0x4000_0000;

class TestHost implements ScriptHost {
  readonly clock = new SimClock();
  readonly events: string[] = [];
  readonly bus = { post: () => undefined, call: async () => ({}) };
  connectionMark = 0;
  readonly #soon: (() => void)[] = [];
  onSettled: (settled: Settled) => void = () => undefined;
  samples = 0;
  isSending = true;

  steady(): number {
    return 0;
  }

  soon(action: () => void): void {
    this.#soon.push(action);
  }

  /** One turn of what was put off. */
  turn(): void {
    for (const action of this.#soon.splice(0)) action();
  }

  settle(settled: Settled): void {
    this.onSettled(settled);
  }

  send(packets: readonly (readonly Uint8Array[])[], options: SendOptions): number {
    for (const parts of packets) {
      const text = parts.map((part) => new TextDecoder("latin1").decode(part)).join("|");
      this.events.push(`sent ${text.slice(-5)} ${JSON.stringify(options)}`);
    }
    return this.isSending ? packets.length : 0;
  }

  map(): never {
    throw new Error("there are no maps here");
  }

  log(text: string): void {
    this.events.push(text);
  }

  interfaceName(index: number): string {
    return index === 0 ? "" : `eth${index}`;
  }

  connection(): ReadConnection {
    const host = this;
    const tuple = { source: 1, destination: 2, sourcePort: 3, destinationPort: 4, protocol: 17 };
    let isMarkChanged = false;
    return {
      state: "new",
      isReply: false,
      id: 7,
      original: tuple,
      reply: tuple,
      isAssured: false,
      get mark() {
        return host.connectionMark;
      },
      set mark(value) {
        host.connectionMark = value;
        isMarkChanged = true;
      },
      get isMarkChanged() {
        return isMarkChanged;
      },
    };
  }

  sample(): void {
    this.samples++;
  }
}

function datagram(text: string, change: Partial<SimPacket> = {}): SimPacket {
  const bytes = build(
    ipv4.header({ source: "10.0.0.1", destination: "10.0.0.2" }),
    udp.header({ sourcePort: 1000, destinationPort: 2000 }),
    new TextEncoder().encode(text),
  ).toBytes();
  return { bytes, ...change };
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes.subarray(28));
}

/** The answer, after something was done. */
function also<A>(_: unknown, answer: A): A {
  return answer;
}

describe("ScriptRunner", () => {
  let host: TestHost;
  let line: SimPacketQueue;
  let runner: ScriptRunner;

  beforeEach(() => {
    host = new TestHost();
    line = new SimPacketQueue({ queueNumber: 1, copyRangeBytes: 2048 });
  });

  function run(script: unknown, change: Partial<RunnerOptions> = {}): ScriptRunner {
    runner = new ScriptRunner({
      script: script as PacketScript,
      functionName: "case",
      identity: { name: "case", isolate: "case", hook: "forward" },
      host,
      onError: "drop",
      seed: 1,
      isOwnFile: (address) => address.includes("runner.test"),
      ...change,
    });
    host.onSettled = (settled) => line.decide(settled.token, runner.decide(settled));
    line.start((batch) => runner.run(batch));
    return runner;
  }

  async function push(...texts: string[]): Promise<string[]> {
    line.push(...texts.map((text) => datagram(text)));
    await host.clock.settle();
    return outcomes();
  }

  function outcomes(): string[] {
    return line.outcomes.map(
      ({ verdict, bytes, mark: set, conntrackMark }) =>
        `${verdict} ${textOf(bytes)}${set === 0 ? "" : ` mark ${set.toString(16)}`}${conntrackMark === 0 ? "" : ` connection ${conntrackMark}`}`,
    );
  }

  function faults(): string[] {
    return runner.judge.faults
      .list()
      .map(({ kind, place, message, count }) => `${kind} ${place} ${message} x${count}`);
  }

  const set = (packet: Packet): void => {
    packet.find(udp)?.payload().setUint8(0, 0x58);
  };

  for (const [name, script, expected, doneMark] of [
    ["accept", () => accept, "1 a", 0],
    ["accept, with a script behind it", () => accept, "1 a mark 40000000", DONE],
    ["drop", () => drop, "0 a", 0],
    ["continue", () => proceed, "1 a", DONE],
    ["nothing", () => undefined, "1 a", DONE],
    ["queue", () => queue(5), `${queueVerdict(5)} a`, 0],
    ["mark", () => mark(0xffff_ffff), "1 a mark ffffffff", 0],
    [
      "a mark set and accept",
      (packet: Packet) => also(Object.assign(packet, { mark: 7 }), accept),
      "1 a mark 40000007",
      DONE,
    ],
    ["a change", (packet: Packet) => set(packet), "1 X", 0],
    ["a change and drop", (packet: Packet) => also(set(packet), drop), "0 a", 0],
    ["a change and an error", (packet: Packet) => also(set(packet), "x"), "0 a", 0],
    [
      "the connection's mark",
      (packet: Packet) => void Object.assign(packet.connection!, { mark: 9 }),
      "1 a connection 9",
      0,
    ],
    [
      "a packet that grows",
      (packet: Packet) => void packet.find(udp)?.splice(8, 0, Uint8Array.of(0x62)),
      "1 ba",
      0,
    ],
  ] as const) {
    it(`run() does what is answered: ${name}`, async () => {
      run(script, { doneMark });
      assert.deepEqual(await push("a"), [expected]);
    });
  }

  it("run() lets the rule say what becomes of a packet that grows out of its place", async () => {
    run((packet: Packet) => void packet.find(udp)?.splice(8, 0, new Uint8Array(4000)));
    assert.deepEqual(await push("a"), ["0 a"]);
    assert.deepEqual(faults(), [
      "overflow case the packet grew to 4029 bytes, for which there is no room x1",
    ]);
  });

  it("run() tells a packet's surroundings", async () => {
    const seen: unknown[] = [];
    run((packet: Packet, context: Context) => {
      const { hook, inInterface, outInterface, mark: own, isAggregate, time } = packet;
      seen.push(hook, inInterface, outInterface, own, isAggregate, time === context.now);
    });
    const packetFlags = PacketFlag.segmented;
    line.push(datagram("a", { mark: 3, hook: 4, inInterface: 1, outInterface: 2, packetFlags }));
    await host.clock.settle();
    assert.deepEqual(seen, ["postrouting", "eth1", "eth2", 3, true, true]);
  });

  for (const [onError, verdict] of [
    ["drop", "0 a"],
    ["accept", "1 a"],
  ] as const) {
    for (const [name, script, fault] of [
      ["throws", () => assert.fail("no"), /^threw runner.test.ts:\d+:\d+ AssertionError: no x1$/],
      ["throws what is no error", () => Promise.reject("text"), /^threw case threw "text" x1$/],
      ["answers text", () => "accept", /^nonsense case answered "accept", which is no verdict x1$/],
      ["answers a number that is none", () => 77, /^nonsense case answered 77, which is no verdict x1$/],
      ["answers NaN", () => Number.NaN, /^nonsense case answered NaN, which is no verdict x1$/],
      ["answers an object", () => ({}), /^nonsense case answered an object, which is no verdict x1$/],
      ["answers later with nonsense", () => Promise.resolve("x"), /^nonsense case answered "x"/],
      [
        "answers a getter that throws",
        () => ({
          get verdict() {
            throw new Error("no");
          },
        }),
        /^nonsense case/,
      ],
      ["is late", () => new Promise(() => undefined), /^timed-out case no verdict before the deadline x1$/],
      ["repeats for ever", () => repeat, /^nonsense case repeat, 8 times in a row x1$/],
      ["repeats later for ever", () => Promise.resolve(repeat), /^nonsense case answered 4/],
      ["rejects", () => Promise.reject(new Error("no")), /^threw runner.test.ts:\d+:\d+ Error: no x1$/],
      [
        "changes and throws",
        (packet: Packet) => {
          set(packet);
          throw new Error("no");
        },
        /^threw runner/,
      ],
      [
        "throws null",
        () => {
          throw null;
        },
        /^threw case threw null x1$/,
      ],
      [
        "throws what cannot be read",
        () => {
          throw new Proxy(
            {},
            {
              getPrototypeOf() {
                throw new Error("no");
              },
            },
          );
        },
        /^threw case/,
      ],
    ] as const) {
      it(`run() lets the rule say ${onError} when a script ${name}`, async () => {
        run(script, { onError });
        await push("a");
        await host.clock.advance(milliseconds(5000));
        assert.deepEqual(outcomes(), [verdict]);
        assert.match(faults().join("\n"), fault);
        const { fixed } = runner.judge.counters.read();
        assert.deepEqual([fixed.errors, fixed.held, fixed.packets], [1, 0, 1]);
      });
    }
  }

  it("run() asks about a packet again as often as it may be repeated", async () => {
    let count = 0;
    run(() => (count++ < REPEAT_COUNT_MAX ? repeat : accept));
    assert.deepEqual(await push("a"), ["1 a"]);
    assert.equal(count, REPEAT_COUNT_MAX + 1);
    count = 0;
    run(() => Promise.resolve(count++ < REPEAT_COUNT_MAX ? repeat : accept));
    await push("b");
    assert.deepEqual(outcomes(), ["1 a", "1 b"]);
  });

  it("later verdicts let other packets pass, and take changes, marks and the connection along", async () => {
    const told = Promise.withResolvers<typeof accept>();
    let kept: Packet | undefined;
    run(
      (packet: Packet) => {
        if (packet.find(udp)?.payload().text() !== "later") return proceed;
        kept = packet;
        return told.promise;
      },
      { doneMark: DONE },
    );
    assert.deepEqual(await push("later", "one", "two"), ["1 one", "1 two"]);
    set(kept!);
    kept!.mark = 5;
    kept!.connection!.mark = 9;
    told.resolve(accept);
    await host.clock.settle();
    assert.deepEqual(outcomes(), ["1 one", "1 two", "1 Xater mark 40000005 connection 9"]);
  });

  for (const [name, answer, expected, at] of [
    ["a promise of nothing", () => Promise.resolve(), "1 a", 0],
    ["a promise of a mark", () => later(Promise.resolve(mark(6))), "1 a mark 6", 0],
    ["a promise of a queue", () => Promise.resolve(queue(9)), `${queueVerdict(9)} a`, 0],
    ["a delay", () => delayed(milliseconds(20)), "1 a", 20],
    ["a delay and drop", () => delayed(milliseconds(30), drop), "0 a", 30],
    ["a deadline of its own", () => later(new Promise(() => undefined), milliseconds(40)), "0 a", 40],
    ["the rule's deadline", () => new Promise(() => undefined), "0 a", 100],
  ] as const) {
    it(`later verdicts: ${name}`, async () => {
      run(answer, { deadline: milliseconds(100) });
      await push("a");
      if (at > 0) {
        await host.clock.advance((at - 1) as Duration);
        assert.deepEqual(outcomes(), []);
        await host.clock.advance(milliseconds(1));
      }
      assert.deepEqual(outcomes(), [expected]);
      assert.equal(runner.judge.heldCount, 0);
      assert.equal(host.clock.timerCount, 0);
    });
  }

  it("held packets have a maximum, and what is behind it goes by the rule", async () => {
    run(() => new Promise(() => undefined), { heldCountMax: 2, onError: "accept" });
    assert.deepEqual(await push("a", "b", "c"), ["1 c"]);
    assert.deepEqual(faults(), ["overflow case too many packets wait for a later verdict x1"]);
    runner.judge.giveUp();
    assert.deepEqual(outcomes(), ["1 c", "1 a", "1 b"]);
    assert.equal(runner.judge.counters.read().fixed.bypassed, 2);
  });

  it("what was late cannot touch the packets that came after", async () => {
    let kept: Packet | undefined;
    run((packet: Packet) => {
      kept ??= packet;
      return new Promise(() => undefined);
    });
    await push("a");
    await host.clock.advance(milliseconds(3000));
    line.push(datagram("b"));
    await host.clock.settle();
    set(kept!);
    runner.judge.giveUp();
    assert.deepEqual(outcomes(), ["0 a", "0 b"]);
    assert.equal(textOf(kept!.bytes()), "X");
  });

  it("defer() runs behind the batch, in order, and what it defers a turn later", async () => {
    run((packet: Packet, context: Context) => {
      const text = packet.find(udp)!.payload().text();
      host.events.push(text);
      context.defer(
        (again, copy) => {
          host.events.push(`deferred ${copy!.find(udp)!.payload().text()}`);
          again.defer(() => void host.events.push("again"));
        },
        { packet },
      );
      context.defer(() => void host.events.push("never")).cancel();
      context.defer(() => void host.events.push("after 10 ms"), { delay: milliseconds(10) });
    });
    await push("a", "b");
    assert.deepEqual(host.events, ["a", "b"]);
    host.turn();
    assert.deepEqual(host.events.splice(0), ["a", "b", "deferred a", "deferred b"]);
    host.turn();
    assert.deepEqual(host.events.splice(0), ["again", "again"]);
    await host.clock.advance(milliseconds(10));
    assert.deepEqual(host.events, ["after 10 ms", "after 10 ms"]);
  });

  it("defer() counts what is thrown, and has a maximum", async () => {
    run((_: Packet, context: Context) => {
      context.defer(() => assert.fail("at once"));
      context.defer(async () => assert.fail("later"));
      for (let count = 2; count <= DEFERRED_COUNT_MAX; count++) context.defer(() => undefined);
    });
    await push("a");
    host.turn();
    await host.clock.settle();
    assert.equal(runner.judge.counters.read().fixed.errors, 3);
    assert.equal(runner.judge.counters.read().fixed.deferred, DEFERRED_COUNT_MAX);
    assert.match(faults().join(), /overflow case too much deferred work waits/);
    assert.match(faults().join(), /threw runner.test.ts:\d+:\d+ AssertionError: at once x1/);
  });

  it("send() leaves behind the verdicts, in order, as it was when it was sent", async () => {
    const bytes = new TextEncoder().encode("bytes");
    run((packet: Packet, context: Context) => {
      assert.equal(context.send(packet, { mark: 5 }), true);
      assert.equal(context.send(bytes, { delay: milliseconds(5) }), true);
      set(packet);
      bytes[0] = 0;
      context.send(build(ipv4.header({ source: 1, destination: 2 }), new TextEncoder().encode("built")));
    });
    assert.deepEqual(await push("packet"), ["1 Xacket"]);
    assert.deepEqual(host.events, []);
    host.turn();
    await host.clock.advance(milliseconds(5));
    assert.deepEqual(host.events, ['sent acket {"mark":5}', "sent built {}", 'sent bytes {"delay":5}']);
    assert.equal(runner.judge.counters.read().fixed.sent, 3);
  });

  it("send() answers false when too many wait", async () => {
    const answers: boolean[] = [];
    run((_: Packet, context: Context) => {
      for (let count = 0; count <= OUTBOX_COUNT_MAX; count++) answers.push(context.send(new Uint8Array(20)));
    });
    await push("a");
    assert.equal(answers.indexOf(false), OUTBOX_COUNT_MAX);
    host.turn();
    assert.equal(runner.judge.counters.read().fixed.sent, OUTBOX_COUNT_MAX);
  });

  it("context draws the same numbers with the same seed, and refuses limits that are none", async () => {
    const drawn: number[][] = [[], []];
    for (const numbers of drawn) {
      run((_: Packet, { random, randomInteger }: Context) => void numbers.push(random(), randomInteger(6)));
      await push("a");
    }
    assert.deepEqual(drawn[0], drawn[1]);
    run((_: Packet, { randomInteger }: Context) => void randomInteger(0));
    await push("b");
    assert.match(faults().join(), /RangeError: Cannot choose below 0/);
  });

  it("log() has a maximum for each second, and tells what was left out", async () => {
    run((_: Packet, { log }: Context) => log("line"));
    await push(...Array.from({ length: LOG_COUNT_PER_SECOND_MAX + 2 }, () => "a"));
    assert.equal(host.events.length, LOG_COUNT_PER_SECOND_MAX);
    await host.clock.advance(milliseconds(1000));
    await push("a");
    assert.deepEqual(host.events.slice(LOG_COUNT_PER_SECOND_MAX), [
      `2 lines were left out, at most ${LOG_COUNT_PER_SECOND_MAX} a second`,
      "line",
    ]);
  });

  it("retire() lets deferred work go on while packets wait for it, and no longer", async () => {
    run((packet: Packet, context: Context) => {
      context.defer(() => void host.events.push("other"), { delay: milliseconds(50) });
      if (packet.find(udp)?.payload().text() === "a") return proceed;
      return new Promise((resolve) => context.defer(() => resolve(accept), { delay: milliseconds(20) }));
    });
    await push("a", "b");
    runner.judge.retire();
    await host.clock.advance(milliseconds(100));
    assert.deepEqual(outcomes(), ["1 a", "1 b"]);
    assert.deepEqual(host.events, []);
  });

  it("a script that only reads is refused writing, and told why", async () => {
    run((packet: Packet) => set(packet), { readOnly: "it is for reading" });
    assert.deepEqual(await push("a"), ["0 a"]);
    assert.match(faults().join(), /ReadOnlyPacketError: Cannot write to the packet: it is for reading/);
  });

  it("options that say `tunnels: false` hold for every packet, also while others are held", async () => {
    for (const tunnels of [true, false]) {
      const answers: boolean[] = [];
      const look = (packet: Packet): unknown =>
        also(answers.push(packet.find(udp) !== undefined), delayed(milliseconds(1)));
      run(look, { tunnels });
      const bytes = build(ipv4.header({}), ipv4.header({}), udp.header({})).toBytes();
      line.push({ bytes }, { bytes });
      await host.clock.advance(milliseconds(10));
      assert.deepEqual(answers, [tunnels, tunnels]);
    }
  });

  it("one of sixteen packets is timed, and every one moves the heart", async () => {
    const words = new Int32Array(2);
    run(() => accept, { beat: { words, key: 5 } });
    await push(...Array.from({ length: 32 }, () => "a"));
    assert.equal(host.samples, 2);
    assert.deepEqual([...words], [32, 5]);
    assert.equal(
      line.outcomes.every(({ verdict }) => verdict === PacketVerdict.accept),
      true,
    );
  });
});
