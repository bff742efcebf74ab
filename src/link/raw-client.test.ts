import assert from "node:assert/strict";
import { test } from "node:test";
import { milliseconds } from "#base/time.ts";
import type { Tuples } from "#base/value.ts";
import { answer } from "#mailbox/verdict.ts";
import type { SimStream } from "#sim/stream.ts";
import {
  FLAG,
  FrameSplitter,
  KIND,
  NO_MAILBOX,
  readFrameContent,
  readFrameHead,
  writeFrame,
} from "#wire/link.ts";
import { Output } from "#wire/output.ts";
import { RUN_DIRECTORY, SimWorld } from "../../test/link/sim-world.ts";
import { encodeHello } from "./hello.ts";

interface Sent {
  readonly kind: number;
  readonly flags?: number;
  readonly mailbox?: number;
  readonly seq?: number;
  readonly ref?: number;
  readonly path?: string;
  readonly meta?: Tuples;
  readonly body?: Tuples;
}

const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(KIND).map(([name, kind]) => [kind, name]),
);

function encode(sent: Sent): Uint8Array {
  const output = new Output();
  writeFrame(output, { flags: 0, mailbox: NO_MAILBOX, seq: 0, ref: 0, body: [], ...sent });
  return output.bytes.slice(0, output.length);
}

/** What an owner answers to a client that writes these bytes, as `kind ref code`, and whether it hung up. */
async function converse(world: SimWorld, parts: readonly Uint8Array[]): Promise<string[]> {
  const stream = (await world.network
    .transport({ uid: 1000, gid: 1000, pid: 9 })
    .connect({ kind: "unix", path: `${RUN_DIRECTORY}/owner` })) as SimStream;
  const heard: string[] = [];
  const splitter = new FrameSplitter();
  stream.start({
    onData: (chunk) =>
      splitter.push(chunk, (bytes, start, end) => {
        const head = readFrameHead(bytes, start);
        const { body } = readFrameContent(bytes, start, end, head);
        const code = head.kind === KIND.error ? ` ${body[1]}` : "";
        heard.push(`${NAMES[head.kind]} ${head.ref}${code}`);
      }),
    onClose: () => heard.push("closed"),
  });
  for (const part of parts) {
    stream.write(part);
    await world.pass(milliseconds(5));
  }
  await world.pass(milliseconds(10));
  const result = heard.slice(1);
  stream.close();
  await world.pass(milliseconds(1100));
  return result;
}

const hello = encode({ kind: KIND.hello, body: encodeHello("raw", "1") });
const call = (seq: number, extra: Partial<Sent> = {}): Uint8Array =>
  encode({ kind: KIND.call, mailbox: 0, path: "/x", seq, ...extra });
const ping = encode({ kind: KIND.ping });
/** A frame whose body is the CBOR map `a0`. */
const spoiled = (sent: Sent): Uint8Array => {
  const bytes = encode(sent);
  bytes[bytes.length - 1] = 0xa0;
  return bytes;
};

const ROWS: readonly [what: string, sent: readonly Uint8Array[], heard: readonly string[]][] = [
  ["a call is answered", [hello, call(1)], ["reply 1"]],
  ["a second HELLO ends the link", [hello, hello, ping], ["error 0 protocol-violation", "closed"]],
  [
    "the owner's own name is refused",
    [encode({ kind: KIND.hello, body: encodeHello("owner", "1") })],
    ["error 0 name-in-use", "closed"],
  ],
  [
    "a later version alone is refused",
    [
      encode({
        kind: KIND.hello,
        body: ["magic", "metanet", "version-min", 2, "version-max", 3, "name", "raw", "instance", "1"],
      }),
    ],
    ["error 0 version", "closed"],
  ],
  [
    "an unknown kind that is skippable is passed over",
    [hello, encode({ kind: 99, flags: FLAG.skippable, seq: 5 }), ping],
    ["pong 0"],
  ],
  [
    "an unknown kind that is not ends the link",
    [hello, encode({ kind: 99, seq: 5 }), ping],
    ["error 0 protocol-violation", "closed"],
  ],
  [
    "a body that is no message is an error of that call only",
    [hello, spoiled({ kind: KIND.call, mailbox: 0, path: "/x", seq: 7 }), call(8)],
    ["error 7 malformed-message", "reply 8"],
  ],
  [
    "a NAME that is no message ends the link",
    [hello, spoiled({ kind: KIND.name, mailbox: 1 })],
    ["error 0 malformed-message", "closed"],
  ],
  [
    "a name that was not bound is an error of that call only",
    [hello, encode({ kind: KIND.call, mailbox: 9, seq: 2 }), call(3)],
    ["error 2 protocol-violation", "reply 3"],
  ],
  [
    "a name may be bound and used",
    [
      hello,
      encode({ kind: KIND.name, mailbox: 9, body: ["path", "/x"] }),
      encode({ kind: KIND.call, mailbox: 9, seq: 2 }),
    ],
    ["reply 2"],
  ],
  [
    "a name that is bound twice ends the link",
    [
      hello,
      encode({ kind: KIND.name, mailbox: 9, body: ["path", "/x"] }),
      encode({ kind: KIND.name, mailbox: 9, body: ["path", "/y"] }),
    ],
    ["error 0 protocol-violation", "closed"],
  ],
  [
    "a control tuple that comes twice is refused",
    [hello, call(4, { meta: ["hops", 1, "hops", 2] })],
    ["error 4 protocol-violation"],
  ],
  ["an unknown control tuple is passed over", [hello, call(4, { meta: ["colour", "red"] })], ["reply 4"]],
  ["too many hops are a loop", [hello, call(4, { meta: ["hops", 33] })], ["error 4 loop"]],
  [
    "a SEND is answered, a quiet one is not",
    [
      hello,
      encode({ kind: KIND.send, mailbox: 0, path: "/x", seq: 1 }),
      encode({ kind: KIND.send, flags: FLAG.quiet, mailbox: 0, path: "/x", seq: 2 }),
    ],
    ["reply 1"],
  ],
  [
    "an ATTACH without label is refused",
    [hello, encode({ kind: KIND.attach, mailbox: 0, path: "/x", seq: 1 })],
    ["error 1 protocol-violation"],
  ],
  [
    "ATTACH under the number of another listener is refused, and the first one stays",
    [
      hello,
      encode({ kind: KIND.attach, mailbox: 0, path: "/x", seq: 1, body: ["label", "l"] }),
      encode({ kind: KIND.attach, mailbox: 0, path: "/x", seq: 1, body: ["label", "m"] }),
    ],
    ["reply 1", "error 1 protocol-violation"],
  ],
  [
    "an ATTACH to what is no path is refused",
    [hello, encode({ kind: KIND.attach, mailbox: 0, path: "no path", seq: 1, body: ["label", "l"] })],
    ["error 1 no-such-mailbox"],
  ],
  ["a DETACH of nothing is harmless", [hello, encode({ kind: KIND.detach, seq: 1, ref: 77 })], ["reply 1"]],
  [
    "answers that nobody asked for are passed over",
    [
      hello,
      encode({ kind: KIND.reply, ref: 5 }),
      encode({ kind: KIND.verdict, ref: 6 }),
      encode({ kind: KIND.error, ref: 7, body: ["code", "x", "text", "y"] }),
      ping,
    ],
    ["pong 0"],
  ],
  [
    "an OFFER for nobody is refused",
    [hello, encode({ kind: KIND.offer, seq: 3, ref: 1 })],
    ["error 3 protocol-violation"],
  ],
  [
    "a listener hears, and its word counts",
    [
      hello,
      encode({ kind: KIND.attach, mailbox: 0, path: "/x", seq: 1, body: ["label", "l"] }),
      call(2),
      encode({ kind: KIND.verdict, ref: 1, meta: ["verdict", "reject", "reason", "no"] }),
    ],
    ["reply 1", "offer 1", "error 2 rejected"],
  ],
  [
    "a verdict that is none of the five is the listener's failure",
    [
      hello,
      encode({ kind: KIND.attach, mailbox: 0, path: "/x", seq: 1, body: ["label", "l"] }),
      call(2),
      encode({ kind: KIND.verdict, ref: 1, meta: ["verdict", "perhaps"] }),
    ],
    ["reply 1", "offer 1", "reply 2"],
  ],
];

for (const [what, sent, heard] of ROWS) {
  test(`on the wire: ${what}`, async () => {
    const world = new SimWorld();
    const owner = await world.start("owner");
    await owner.bus.provide("/x", (message) => answer(message));
    assert.deepEqual(await converse(world, sent), heard);
    assert.equal(owner.links.describe().length, 0);
  });
}

test("on the wire: a process of the same name as a linked one is refused, the same start of it is not", async () => {
  const world = new SimWorld();
  const owner = await world.start("owner");
  await owner.bus.provide("/x", (message) => answer(message));
  const living = await world.start("living");
  await world.settled(living.bus.call("owner:/x", {}));
  const other = encode({ kind: KIND.hello, body: encodeHello("living", "other") });
  assert.deepEqual(await converse(world, [other]), ["error 0 name-in-use", "closed"]);
  const same = encode({ kind: KIND.hello, body: encodeHello("living", living.links.instance) });
  assert.deepEqual(await converse(world, [same, call(1)]), ["reply 1"]);
});
