/**
 * Programs in the real kernel: the suite of every answer to KernelPrograms, and what only Linux has: traffic, links
 * and their pins, the kernel's own types, what `bpftool` shows.
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ConfigurationError, UnavailableError } from "#base/errors.ts";
import {
  type AttachPoint,
  type KernelLink,
  type KernelMap,
  KernelPlaceTakenError,
  type KernelProgram,
  KernelProgramsForbiddenError,
  KernelProgramsUnsupportedError,
  type KernelProgramType,
} from "#io/kernel-programs.ts";
import { ARRAY_SUFFIX } from "#linux/bpf/link.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { native } from "#linux/native.ts";
import {
  addRegister,
  answer,
  assemble,
  call,
  callKernel,
  clockOffset,
  copy,
  exit,
  load,
  loadField,
  mapAddress,
  mapValue,
  type Piece,
  set,
  setInterface,
  stackPlace,
  store,
  storeConstant,
} from "../support/ebpf-assembly.ts";
import { counting, FRAME, IPV4_PACKET, u32, until, verifierCases } from "./kernel-programs-cases.ts";
import { enterOwnNamespace, rootProblem } from "./own-namespace.ts";

const LOOPBACK = 1;
const INPUT: AttachPoint = { kind: "netfilter", family: "ipv4", hook: "input", priority: -5 };
/** Drops at each kind of place, and lets pass. */
const DROP = { netfilter: 0, "tcx-ingress": 2, "tcx-egress": 2, xdp: 1 } as const;
const PASS = { netfilter: 1, "tcx-ingress": -1, "tcx-egress": -1, xdp: 2 } as const;
const TYPES: readonly KernelProgramType[] = ["netfilter", "tcx-ingress", "tcx-egress", "xdp"];

/** BPF_MAP_LOOKUP_ELEM and BPF_MAP_UPDATE_ELEM. */
const LOOK_UP = 1;
const UPDATE = 2;
const SENT_COUNT = 20_000;
/** Sends one packet after the other; a program at the way out makes sends fail, and that is what it should do. */
const SENDER = `
  const socket = require("node:dgram").createSocket("udp4");
  let left = ${SENT_COUNT};
  (function next() {
    if (left-- > 0) socket.send("x", 4000, "127.0.0.1", next);
    else socket.close();
  })();`;

const system = new LinuxKernelPrograms();
verifierCases("LinuxKernelPrograms", () => new LinuxKernelPrograms(), rootProblem());

const placeOf = (kind: KernelProgramType): AttachPoint =>
  kind === "netfilter" ? INPUT : { kind, interfaceIndex: LOOPBACK };

function simple(type: KernelProgramType, verdict: number): KernelProgram {
  return system.load(assemble(type, answer(verdict)), new Map());
}

/** Fails unless a ping to the loopback is answered, or not, as it should be. */
function assertPings(isAnswered: boolean, address = "127.0.0.1"): void {
  const seconds = isAnswered ? "5" : "0.2";
  const { status } = spawnSync("ping", ["-c1", "-W", seconds, address], { stdio: "ignore" });
  assert.equal(status === 0, isAnswered, `${address} ${isAnswered ? "did not answer" : "answered"}`);
}

describe("LinuxKernelPrograms on traffic", { skip: rootProblem() }, () => {
  const links: KernelLink[] = [];
  const programs: KernelProgram[] = [];
  before(() => enterOwnNamespace());
  afterEach(() => {
    for (const link of links.splice(0)) link.detach();
    for (const program of programs.splice(0)) program.close();
  });
  const make = (type: KernelProgramType, verdict: number): KernelProgram => {
    const program = simple(type, verdict);
    programs.push(program);
    return program;
  };
  const attach = (program: KernelProgram, point = placeOf(program.image.type)): KernelLink => {
    const link = program.attach(point);
    links.push(link);
    return link;
  };

  for (const type of TYPES) {
    it(`a ${type} program drops, is replaced by one that does not, and is taken away`, () => {
      assertPings(true);
      const link = attach(make(type, DROP[type]));
      assertPings(false);
      link.replace(make(type, PASS[type]));
      assertPings(true);
      link.replace(make(type, DROP[type]));
      assertPings(false);
      link.detach();
      assertPings(true);
      link.detach();
    });

    it(`a ${type} program works on when it is closed, as its link holds it`, () => {
      const program = make(type, DROP[type]);
      attach(program);
      program.close();
      assertPings(false);
    });
  }

  it("an IPv6 program leaves IPv4 alone", () => {
    attach(make("netfilter", 0), { ...INPUT, family: "ipv6" });
    assertPings(true);
    assertPings(false, "::1");
  });

  for (const type of TYPES) {
    it(`while ${type} programs are exchanged every packet meets exactly one of them`, async () => {
      const spec = { name: "counts", kind: "array", keyBytes: 4, valueBytes: 8, countMax: 1 } as const;
      const maps = new Map<string, KernelMap>([["counts", system.createMap(spec)]]);
      const verdict = DROP[type];
      const pieces = [...counting("counts").slice(0, -2), ...answer(verdict)];
      const pair = [0, 1].map(() => system.load(assemble(type, pieces, { maps: [spec] }), maps));
      programs.push(...pair);
      const [first, second] = pair;
      assert.ok(first && second);
      const link = attach(first);
      const receiver = createSocket("udp4");
      try {
        let received = 0;
        receiver.on("message", () => received++);
        await new Promise<void>((resolve) => receiver.bind(4000, "127.0.0.1", resolve));
        const sender = spawn(process.execPath, ["-e", SENDER], { stdio: "inherit" });
        let replacedCount = 0;
        for (; sender.exitCode === null && sender.signalCode === null; await turn()) {
          for (const next of [second, first]) link.replace(next);
          replacedCount += 2;
        }
        const bytes = maps.get("counts")?.get(u32(0)) ?? new Uint8Array(8);
        const seen = Number(new DataView(bytes.buffer).getBigUint64(0, true));
        assert.deepEqual({ seen, received }, { seen: SENT_COUNT, received: 0 });
        assert.ok(replacedCount >= 4, `replaced only ${replacedCount} times`);
      } finally {
        receiver.close();
        maps.get("counts")?.close();
      }
    });
  }

  it("a place that is taken, or not there, is an error that says so", () => {
    const first = make("netfilter", 1);
    attach(first);
    assert.throws(() => first.attach(INPUT), KernelPlaceTakenError);
    const driver = make("xdp", 2);
    attach(driver);
    assert.throws(() => driver.attach(placeOf("xdp")), KernelPlaceTakenError);
    for (const kind of ["tcx-ingress", "xdp"] as const) {
      const nowhere = { kind, interfaceIndex: 99_999 };
      assert.throws(() => make(kind, 0).attach(nowhere), UnavailableError);
    }
    const lowest = { ...INPUT, priority: -(2 ** 31) };
    assert.throws(() => first.attach(lowest), /does not take this priority/);
    assert.throws(() => first.attach(placeOf("xdp")), ConfigurationError);
  });

  it("two tcx programs at one place run one after the other", () => {
    attach(make("tcx-ingress", PASS["tcx-ingress"]));
    attach(make("tcx-ingress", DROP["tcx-ingress"]));
    assertPings(false);
  });

  it("an interface's index is put in, and one that is not there is an error", () => {
    const image = (name: string): Parameters<typeof system.load>[0] =>
      assemble("tcx-ingress", [setInterface(0, name), exit()]);
    const program = system.load(image("lo"), new Map());
    programs.push(program);
    assert.equal(program.test(FRAME).verdict, LOOPBACK);
    assert.throws(() => system.load(image("nosuch0"), new Map()), UnavailableError);
  });
});

describe("LinuxKernelPrograms and pins", { skip: rootProblem() }, () => {
  let folder = "";
  const children: ChildProcess[] = [];
  const links: KernelLink[] = [];
  before(() => {
    enterOwnNamespace();
    folder = mkdtempSync(join(tmpdir(), "metanet-pins-"));
    execFileSync("mount", ["-t", "bpf", "bpf", folder]);
    process.once("exit", removeFolder);
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const link of links.splice(0)) link.detach();
  });
  after(() => {
    process.off("exit", removeFolder);
    removeFolder();
  });
  const removeFolder = (): void => {
    spawnSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true, force: true });
  };
  const killOne = async (...args: string[]): Promise<void> => {
    const child = startChild(args);
    children.push(child);
    assert.equal(await firstLine(child), "ready");
    assertPings(false);
    child.kill("SIGKILL");
    await once(child, "exit");
  };

  it("the program of a process that is killed goes with it", async () => {
    await killOne();
    await until(() => spawnSync("ping", ["-c1", "-W1", "127.0.0.1"], { stdio: "ignore" }).status === 0);
  });

  it("a pinned program stays, is taken over, replaced and taken away", async () => {
    const path = join(folder, "metanet", "guard");
    await killOne(path);
    assertPings(false);
    const taken = system.pinned(path);
    assert.ok(taken);
    links.push(taken);
    taken.replace(simple("netfilter", 1));
    assertPings(true);
    taken.replace(simple("netfilter", 0));
    assertPings(false);
    taken.detach();
    assertPings(true);
    assert.deepEqual([existsSync(path), existsSync(`${path}${ARRAY_SUFFIX}`)], [false, false]);
    assert.equal(system.pinned(path), undefined);
  });

  for (const type of TYPES) {
    it(`a pinned ${type} link is opened again and works on`, () => {
      const path = join(folder, type);
      const link = simple(type, DROP[type]).attach(placeOf(type));
      links.push(link);
      link.pin(path);
      assert.throws(() => link.pin(path), KernelPlaceTakenError);
      const again = system.pinned(path);
      again?.replace(simple(type, PASS[type]));
      assertPings(true);
      link.replace(simple(type, DROP[type]));
      assertPings(false);
      again?.detach();
      assertPings(true);
      assert.equal(existsSync(path), false);
    });
  }

  it("a pin outside of a BPF file system is refused with the command to mount one", () => {
    const link = simple("xdp", 2).attach(placeOf("xdp"));
    const path = join(tmpdir(), "metanet-no-pin");
    links.push(link);
    assert.throws(() => link.pin(path), /no BPF file system; .*mount -t bpf bpf/);
    assert.throws(() => link.pin(join(folder, "with.dot")), /no dots/);
    assert.equal(system.pinned(path), undefined);
    assert.equal(system.pinned(join(folder, "nothing")), undefined);
  });

  it("a process without the capability is told which one it lacks", async () => {
    const without = ["--bounding-set", "-cap_39,-sys_admin", "--inh-caps", "-cap_39,-sys_admin"];
    const child = startChild([], ["setpriv", ...without]);
    children.push(child);
    const line = await firstLine(child);
    assert.match(line, new RegExp(`^${KernelProgramsForbiddenError.name}.*lacks CAP_BPF`));
  });
});

function startChild(args: readonly string[], before: readonly string[] = []): ChildProcess {
  const program = join(import.meta.dirname, "kernel-programs-child.ts");
  const words = [...before, process.execPath, "-C", "metanet-source", program, ...args];
  return spawn(words[0] ?? "", words.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const part of child.stdout ?? []) {
    text += String(part);
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

describe("the addon's calls of bpf(2)", { skip: rootProblem() }, () => {
  const EFAULT = -14;
  const element = (descriptor: number): Uint8Array =>
    new Uint8Array(Int32Array.of(descriptor, 0, 0, 0, 0, 0, 0, 0).buffer);

  it("a buffer that is shorter than what the kernel writes or reads is a fault, and nothing else is touched", () => {
    const map = system.createMap({ name: "m", kind: "hash", keyBytes: 8, valueBytes: 100_000, countMax: 2 });
    map.set(new Uint8Array(8), new Uint8Array(100_000).fill(7));
    const { bpf } = native();
    const attribute = element(map.descriptor);
    assert.equal(bpf(LOOK_UP, attribute, new Uint8Array(8), new Uint8Array(99_999)), EFAULT);
    assert.equal(bpf(LOOK_UP, attribute, new Uint8Array(7), new Uint8Array(100_000)), EFAULT);
    assert.equal(bpf(LOOK_UP, attribute, new Uint8Array(8), new Uint8Array(10)), EFAULT);
    assert.equal(bpf(LOOK_UP, attribute, new Uint8Array(8)), EFAULT);
    assert.equal(bpf(UPDATE, attribute, new Uint8Array(8), new Uint8Array(99_999)), EFAULT);
    const value = new Uint8Array(100_000);
    assert.equal(bpf(LOOK_UP, attribute, new Uint8Array(8), value), 0);
    assert.deepEqual(value, new Uint8Array(100_000).fill(7));
    assert.deepEqual(attribute, element(map.descriptor), "addresses stay out of JavaScript");
    map.close();
  });

  it("only rings of events are mapped, and a closed one gives none", () => {
    const map = system.createMap({ name: "m", kind: "hash", keyBytes: 4, valueBytes: 4, countMax: 2 });
    assert.throws(() => native().openEvents(map.descriptor), { code: "EINVAL" });
    map.close();
    const ring = system.createMap({ name: "r", kind: "ring", keyBytes: 0, valueBytes: 0, countMax: 4096 });
    const events = native().openEvents(ring.descriptor);
    ring.close();
    assert.equal(native().readEvents(events, new Uint8Array(8), new Int32Array(2)), 0);
    native().closeEvents(events);
    native().closeEvents(events);
    assert.equal(native().readEvents(events, new Uint8Array(8), new Int32Array(2)), 0);
  });

  it("an event longer than the room for it is told by its length, and the next ones come", () => {
    const maps = new Map<string, KernelMap>();
    const ring = { name: "events", kind: "ring", keyBytes: 0, valueBytes: 0, countMax: 4096 } as const;
    const emit = (bytes: number): readonly Piece[] => [
      mapAddress(1, "events"),
      ...stackPlace(2, -32),
      set(3, bytes),
      set(4, 0),
      call("ringOutput"),
    ];
    const fill = [-32, -24, -16, -8].map((at) => storeConstant(8, 10, at, 5));
    const pieces = [...fill, ...emit(8), ...emit(32), ...emit(16), ...answer(2)];
    const program = system.load(assemble("xdp", pieces, { maps: [ring] }), maps);
    program.test(FRAME);
    const events = native().openEvents(maps.get("events")?.descriptor ?? -1);
    const table = new Int32Array(8);
    const read = (): number[] => [
      ...table.subarray(0, 2 * native().readEvents(events, new Uint8Array(20), table)),
    ];
    assert.deepEqual([read(), read(), read(), read()], [[0, 8], [-1, 32], [0, 16], []]);
    native().closeEvents(events);
    for (const one of [program, ...maps.values()]) one.close();
  });
});

describe("LinuxKernelPrograms and the kernel's own types", { skip: rootProblem() }, () => {
  const output = { name: "output", kind: "array", keyBytes: 4, valueBytes: 8, countMax: 1 } as const;
  /** Runs a netfilter program that leaves a result in register 6 when it got one, and gives that. */
  const resultOf = (pieces: readonly Piece[]): bigint => {
    const maps = new Map<string, KernelMap>();
    const tail = [mapValue(1, "output"), store(8, 1, 0, 6), ...answer(1)];
    const program = system.load(assemble("netfilter", [...pieces, ...tail], { maps: [output] }), maps);
    assert.equal(program.test(IPV4_PACKET).verdict, 1);
    const value = maps.get("output")?.get(u32(0)) ?? new Uint8Array(8);
    for (const one of [program, ...maps.values()]) one.close();
    return new DataView(value.buffer).getBigInt64(0, true);
  };
  const packet = loadField(8, 1, 1, "bpf_nf_ctx", "skb");

  it("a field is found where this kernel has it", () => {
    assert.equal(resultOf([packet, loadField(4, 6, 1, "sk_buff", "len")]), BigInt(IPV4_PACKET.length));
  });

  it("a function of the kernel is called", () => {
    const read = [
      packet,
      set(2, 0),
      ...stackPlace(3, -16),
      callKernel("bpf_dynptr_from_skb"),
      storeConstant(8, 10, -24, 0),
      ...stackPlace(1, -24),
      set(2, 4),
      ...stackPlace(3, -16),
      set(4, 12),
      set(5, 0),
      call("dynptrRead"),
      load(8, 6, 10, -24),
    ];
    assert.equal(resultOf(read), BigInt(Buffer.from(IPV4_PACKET).readUInt32LE(12)));
  });

  it("the clock's place makes the wall clock of the TAI clock", () => {
    const started = Date.now();
    const now = Number(
      resultOf([call("nanosecondsTai"), copy(6, 0), clockOffset(1), addRegister(6, 1)]) / 1_000_000n,
    );
    assert.ok(now >= started - 10 && now <= Date.now() + 10, `${now} and not about ${started}`);
  });

  it("what this kernel has not is an error that names it", () => {
    assert.throws(
      () => resultOf([callKernel("no_such_function"), set(6, 0)]),
      (error) => {
        assert.ok(error instanceof KernelProgramsUnsupportedError);
        assert.match(error.message, /call no_such_function\(\) of the kernel/);
        return true;
      },
    );
    assert.throws(() => resultOf([loadField(8, 1, 1, "sk_buff", "nothing")]), /sk_buff\.nothing/);
  });

  const noTool = spawnSync("bpftool", ["version"]).error ? "needs bpftool" : false;
  it("bpftool shows the script's own lines", { skip: noTool }, () => {
    const texts = ["export function guard(packet: View<Udp>): Verdict {", "  return accept;"];
    const name = `guard_${process.pid}`;
    const program = system.load(assemble("netfilter", answer(1), { name, texts }), new Map());
    const dump = execFileSync("bpftool", ["prog", "dump", "xlated", "name", name, "linum"], {
      encoding: "utf8",
    });
    program.close();
    const wanted = new RegExp(
      `guard_\\d+\\(.*\\):.*${literally(texts[0])} \\[file:script\\.ts line_num:1.*return accept;`,
      "s",
    );
    assert.match(dump, wanted);
  });
});

function literally(text = ""): string {
  return text.replace(/[^\w ]/g, "\\$&");
}
