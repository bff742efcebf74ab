/**
 * Random scripts in the way of real frames: they are sent through a cable, pass a program at its other end's ingress, and
 * come out of a bridge.
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import type { KernelLink, KernelProgram } from "#io/kernel-programs.ts";
import { LinuxKernelPrograms } from "#linux/bpf/programs.ts";
import { native, READABLE } from "#linux/native.ts";
import { encodeSockaddrLl } from "#linux/socket-address.ts";
import { AF_PACKET, SOCK_NONBLOCK, SOCK_RAW } from "#linux/socket-constants.ts";
import { EtherType } from "#packet/ethernet.ts";
import { CompiledRun, type ShownPacket } from "../kernel-scripts/compiled-run.ts";
import { compileOnce } from "../kernel-scripts/compiler.ts";
import type { Engine } from "../kernel-scripts/engine.ts";
import { linuxRing, refused } from "../kernel-scripts/engines.ts";
import type { TestFrame } from "../kernel-scripts/frames.ts";
import { EXPERIMENT, FramePort, makePair, textFrame } from "./frame-lab.ts";

const ETH_P_ALL = 3;
const FRAME_BYTES_MAX = 1514;
const ADDRESS_BYTES = 6;
const BUFFER_BYTES = 2048;
/** Patience for one frame, on a machine that others load. */
const WAIT_MS = 10_000;

/** In the namespace of the thread, which is the test's own. */
export class TrafficLab {
  readonly #sender: FramePort;
  readonly #end: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #lengths = new Int32Array(1);
  #count = 0;
  #link: KernelLink | undefined;
  #attached: KernelProgram | undefined;

  constructor() {
    const ip = (...words: string[]): unknown => execFileSync("ip", words, { stdio: "pipe" });
    makePair("far", "near");
    makePair("out", "end");
    ip("link", "add", "bridge0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0");
    for (const port of ["near", "out"]) {
      ip("link", "set", port, "master", "bridge0");
      // No port is where an address of a random frame lives.
      ip("link", "set", port, "type", "bridge_slave", "learning", "off");
    }
    ip("link", "set", "bridge0", "up");
    // Netfilter would look at IP packets on a bridge, and drop what lies about itself.
    for (const name of ["iptables", "ip6tables"]) {
      const file = `/proc/sys/net/bridge/bridge-nf-call-${name}`;
      if (existsSync(file)) writeFileSync(file, "0");
    }
    this.#sender = new FramePort("far");
    this.#end = native().socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    native().bind(this.#end, encodeSockaddrLl(native().interfaceIndex("end"), ETH_P_ALL));
    this.#awaitBridge();
  }

  /** An engine whose scripts see what comes through the cable, and whose frames are those that come out. */
  engine(): Engine {
    const target = { attach: "tcx-ingress", first: "network" } as const;
    const kernel = new LinuxKernelPrograms();
    return {
      name: "real traffic",
      first: "network",
      isCoarse: true,
      isUserSpace: false,
      hasAggregates: false,
      hidesMarks: true,
      // Where packets are redirected to nobody looks.
      may: ({ redirects }) => !redirects,
      takes,
      start: (module, name) => {
        const { script, problems } = compileOnce(module.compiled(), name, target);
        if (script === undefined) return refused(problems);
        const show = (program: KernelProgram, frame: TestFrame): ShownPacket => this.#show(program, frame);
        const run = new CompiledRun({ kernel, script, openRing: linuxRing, show });
        return {
          run: {
            step: (frame) => run.step(frame),
            close: () => {
              this.#detach();
              run.close();
            },
          },
        };
      },
    };
  }

  #show(program: KernelProgram, { bytes }: TestFrame): ShownPacket {
    if (this.#link === undefined) {
      const interfaceIndex = native().interfaceIndex("near");
      this.#link = program.attach({ kind: "tcx-ingress", interfaceIndex });
    } else if (this.#attached !== program) this.#link.replace(program);
    this.#attached = program;
    const [came, ...others] = this.#send(bytes);
    if (others.length > 0) throw new Error(`one frame became ${others.length + 1}`);
    return came === undefined
      ? { verdict: "drop", bytes: new Uint8Array(0), mark: 0 }
      : { verdict: "continue", bytes: came, mark: 0 };
  }

  #detach(): void {
    this.#link?.detach();
    this.#link = undefined;
    this.#attached = undefined;
  }

  /** What comes out for a frame: before one behind it, which no script at a hook's place is shown. */
  #send(frame: Uint8Array): Uint8Array[] {
    const text = `behind ${this.#count++}`;
    this.#sender.send(frame, textFrame(text));
    const came: Uint8Array[] = [];
    for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
      const bytes = this.#receive();
      if (bytes === undefined) {
        native().poll(this.#end, READABLE, 100);
        continue;
      }
      if (textOf(bytes) === text) return came;
      came.push(bytes);
    }
    throw new Error("Cannot test: the bridge has swallowed a frame that no script sees");
  }

  /** A port forwards a moment after it is up. */
  #awaitBridge(): void {
    for (const end = Date.now() + WAIT_MS; Date.now() < end; ) {
      this.#sender.send(textFrame("hello"));
      native().poll(this.#end, READABLE, 50);
      if (this.#receive() !== undefined) break;
    }
    // All of them but one may still come.
    while (native().poll(this.#end, READABLE, 200) > 0) this.#receive();
  }

  #receive(): Uint8Array | undefined {
    const count = native().readBatch(this.#end, this.#buffer, this.#lengths, BUFFER_BYTES);
    if (count < 0) throw new Error(`Cannot test: the socket says ${count}`);
    return count === 0 ? undefined : this.#buffer.slice(0, this.#lengths[0]);
  }

  close(): void {
    this.#detach();
    this.#sender.close();
    native().close(this.#end);
  }
}

/** The text of a frame that {@link textFrame} has made. */
function textOf(bytes: Uint8Array): string | undefined {
  const type = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
  return type === EXPERIMENT ? Buffer.from(bytes.subarray(14)).toString() : undefined;
}

/** Whether a bridge takes the frame as it is; a tag would be taken out before the program sees it. */
function takes(bytes: Uint8Array): boolean {
  if (bytes.length < 20 || bytes.length > FRAME_BYTES_MAX) return false;
  const type = ((bytes[12] ?? 0) << 8) | (bytes[13] ?? 0);
  const [target, source] = [bytes.subarray(0, ADDRESS_BYTES), bytes.subarray(ADDRESS_BYTES, 12)];
  const isMachine = ((source[0] ?? 0) & 1) === 0 && source.some((byte) => byte !== 0);
  const isForwarded = ((target[0] ?? 0) & 1) === 0 && target.some((byte) => byte !== 0);
  return isMachine && isForwarded && (type === EtherType.ipv4 || type === EtherType.ipv6);
}
