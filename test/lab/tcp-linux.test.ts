/**
 * The running kernel as the oracle for the emulated receiver: crafted segments reach a listening socket, and whether the
 * connection lives on, and what its program reads, must be what the engine says of the same packets.
 * @module
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { tellStory } from "../support/flow-story.ts";
import { rootProblem } from "./own-namespace.ts";
import { type CraftedSegment, type KernelAnswer, LAST_WORD, TcpPeer } from "./tcp-peer.ts";

/** Initial sequence numbers: the last ones have the stream cross 2^31 and 2^32. */
const SEQUENCES = [0, 2 ** 31 - 3, 2 ** 32 - 3];

interface KernelCase {
  readonly name: string;
  readonly segments: readonly CraftedSegment[];
  readonly hasTimestamps?: boolean;
  /** What both say: that the kernel still does is part of the test. */
  readonly text: string;
  readonly isAlive: boolean;
}

const ONE = { at: 0, text: "one", flags: "PA" };
const CASES: readonly KernelCase[] = [
  { name: "segments in order", segments: [ONE, { at: 3, text: "two" }], text: "onetwo", isAlive: true },
  { name: "RST, exact", segments: [ONE, { at: 3, flags: "R" }], text: "one", isAlive: false },
  { name: "RST in the window", segments: [ONE, { at: 4, flags: "R" }], text: "one", isAlive: true },
  { name: "RST below the window", segments: [ONE, { at: 2, flags: "R" }], text: "one", isAlive: true },
  {
    name: "RST beyond the window",
    segments: [ONE, { at: 9_000_000, flags: "R" }],
    text: "one",
    isAlive: true,
  },
  {
    name: "RST with data",
    segments: [ONE, { at: 3, flags: "RA", text: "why" }],
    text: "one",
    isAlive: false,
  },
  { name: "SYN in the window", segments: [ONE, { at: 10, flags: "S" }], text: "one", isAlive: true },
  { name: "SYN again", segments: [ONE, { at: -1, flags: "S" }], text: "one", isAlive: true },
  { name: "SYN and RST", segments: [ONE, { at: 10, flags: "SR" }], text: "one", isAlive: true },
  {
    name: "data beyond the window",
    segments: [ONE, { at: 9_000_000, text: "far" }, { at: 3, text: "two" }],
    text: "onetwo",
    isAlive: true,
  },
  {
    name: "data without ACK",
    segments: [ONE, { at: 3, text: "bad", flags: "P" }],
    text: "one",
    isAlive: true,
  },
  {
    name: "data with an ACK of what was not sent",
    segments: [ONE, { at: 3, text: "bad", acknowledgedMore: 1000 }],
    text: "one",
    isAlive: true,
  },
  {
    name: "data with an ACK of long ago",
    segments: [ONE, { at: 3, text: "bad", acknowledgedMore: -900_000_000 }],
    text: "one",
    isAlive: true,
  },
  {
    name: "data with an old timestamp",
    segments: [ONE, { at: 3, text: "bad", timestamp: 5 }, { at: 3, text: "two" }],
    hasTimestamps: true,
    text: "onetwo",
    isAlive: true,
  },
  {
    name: "data without the timestamp that was agreed",
    segments: [ONE, { at: 3, text: "two", timestamp: false }],
    hasTimestamps: true,
    text: "onetwo",
    isAlive: true,
  },
  {
    name: "timestamps that were not agreed",
    segments: [
      { ...ONE, timestamp: 900 },
      { at: 3, text: "two", timestamp: 5 },
    ],
    text: "onetwo",
    isAlive: true,
  },
  { name: "an urgent byte", segments: [{ at: 0, text: "abXc", urgent: 3 }], text: "abc", isAlive: true },
  { name: "a keep-alive with a byte", segments: [ONE, { at: 2, text: "?" }], text: "one", isAlive: true },
  {
    name: "bytes in front of the first one",
    segments: [{ at: -2, text: "xyone" }],
    text: "one",
    isAlive: true,
  },
  {
    name: "other bytes for those that were read, and more",
    segments: [ONE, { at: 0, text: "XXXtwo" }],
    text: "onetwo",
    isAlive: true,
  },
  {
    name: "FIN out of order",
    segments: [{ at: 3, text: "two", flags: "FA" }, ONE],
    text: "onetwo",
    isAlive: false,
  },
  {
    name: "FIN in front of bytes that came before it",
    segments: [
      { at: 3, text: "beyond" },
      { at: 0, text: "one", flags: "FA" },
    ],
    text: "one",
    isAlive: false,
  },
  {
    name: "data beyond the FIN",
    segments: [
      { ...ONE, flags: "FA" },
      { at: 4, text: "more" },
    ],
    text: "one",
    isAlive: false,
  },
];

describe("the running kernel and the emulated receiver", { skip: rootProblem() }, () => {
  let peer: TcpPeer | undefined;
  before(async () => {
    peer = await TcpPeer.open();
  });
  after(() => peer?.close());

  for (const { name, segments, hasTimestamps = false, text, isAlive } of CASES) {
    it(`TcpTracker says what the kernel does: ${name}`, async () => {
      for (const sequence of SEQUENCES) {
        const kernel: KernelAnswer | undefined = await peer?.converse(segments, sequence, hasTimestamps);
        assert.ok(kernel);
        const story = tellStory(kernel.packets, {
          policy: { urgent: "out-of-band", unseen: "refuse" },
          events: "outOfWindow stateChange",
        });
        const where = `sequence ${sequence}\n${story.log.join("\n")}`;
        assert.deepEqual(
          { text: kernel.text, isAlive: kernel.isAlive },
          { text, isAlive },
          `kernel, ${where}`,
        );
        assert.equal(story.client, isAlive ? text + LAST_WORD : text, `engine, ${where}`);
        const isClosed = story.states.startsWith("CLOSED") || kernel.hasEnded;
        assert.equal(!isClosed, isAlive, `engine, ${story.states}, ${where}`);
        if (kernel.hasEnded) assert.match(story.log.join(), /server ESTABLISHED>CLOSE_WAIT/, where);
      }
    });
  }
});
