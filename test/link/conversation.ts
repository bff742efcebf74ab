/**
 * A whole conversation, frame by frame: a client that knows nothing but the protocol talks to a real owner.
 * @module
 */
import { formatHex } from "#base/hex.ts";
import { ip } from "#base/ip-address.ts";
import { mac } from "#base/mac-address.ts";
import { milliseconds } from "#base/time.ts";
import type { Tuples } from "#base/value.ts";
import { joinBus } from "#link/join.ts";
import { Bus } from "#mailbox/bus.ts";
import { answer } from "#mailbox/verdict.ts";
import { SimClock } from "#sim/clock.ts";
import { SimStreamNetwork } from "#sim/stream-network.ts";
import { KIND, NO_MAILBOX, writeFrame } from "#wire/link.ts";
import { Output } from "#wire/output.ts";

export interface Step {
  readonly from: "client" | "owner";
  readonly says: string;
  readonly hex: string;
}

interface Said {
  readonly says: string;
  readonly kind: number;
  readonly mailbox?: number;
  readonly seq?: number;
  readonly ref?: number;
  readonly path?: string;
  readonly meta?: Tuples;
  readonly body?: Tuples;
}

const LOOKUP = ["chaddr", mac("02:00:00:00:00:01"), "xid", 305_419_896] as const;

/** What the client sends, and how the frames that the owner answers with are described. */
const SCRIPT: readonly (Said & { readonly answers: readonly string[] })[] = [
  {
    says: "HELLO: I am py",
    kind: KIND.hello,
    body: [
      "magic",
      "metanet",
      "version-min",
      1,
      "version-max",
      1,
      "name",
      "py",
      "instance",
      "0a0b0c",
      "frame-max",
      1_048_576,
      "credit",
      262_144,
      "features",
      [],
    ],
    answers: ["HELLO: I am dhcpd"],
  },
  {
    says: "CALL 1 to /dhcpd/lookup, spelled out",
    kind: KIND.call,
    mailbox: 0,
    path: "/dhcpd/lookup",
    seq: 1,
    body: LOOKUP,
    answers: ["REPLY to 1: the pool's address"],
  },
  {
    says: "NAME: from now on 1 is /dhcpd/lookup",
    kind: KIND.name,
    mailbox: 1,
    body: ["path", "/dhcpd/lookup"],
    answers: [],
  },
  {
    says: "ATTACH 2: put my listener ldap in front of mailbox 1, 250 ms, continue when I am late",
    kind: KIND.attach,
    mailbox: 1,
    seq: 2,
    body: ["label", "ldap", "place", "prepend", "timeout", 250, "on-timeout", "continue"],
    answers: ["REPLY to 2: attached"],
  },
  {
    says: "CALL 3 to mailbox 1",
    kind: KIND.call,
    mailbox: 1,
    seq: 3,
    body: LOOKUP,
    answers: ["OFFER 1 to the listener of ATTACH 2; it began as the client's own CALL 3"],
  },
  {
    says: "VERDICT on 1: answer, with the directory's address",
    kind: KIND.verdict,
    ref: 1,
    meta: ["verdict", "answer"],
    body: ["address", ip("10.77.0.7")],
    answers: ["REPLY to 3: the directory's address"],
  },
  {
    says: "CALL 4 to a mailbox that does not exist",
    kind: KIND.call,
    mailbox: 0,
    path: "/none",
    seq: 4,
    answers: ["ERROR about 4: no-such-mailbox"],
  },
  { says: "PING", kind: KIND.ping, answers: ["PONG"] },
  {
    says: "DETACH 5 of the listener of ATTACH 2",
    kind: KIND.detach,
    seq: 5,
    ref: 2,
    answers: ["REPLY to 5"],
  },
  { says: "GOODBYE", kind: KIND.goodbye, body: ["reason", "closing"], answers: [] },
];

/** Plays it against an owner on a simulated stream, and gives every frame that went either way. */
export async function playConversation(): Promise<readonly Step[]> {
  const clock = new SimClock();
  const network = new SimStreamNetwork({ clock });
  const credentials = { uid: 1000, gid: 1000, pid: 1 };
  const bus = new Bus({ name: "dhcpd", clock });
  bus.provide("/dhcpd/lookup", () => answer({ address: ip("10.77.0.100") }));
  await joinBus(bus, {
    runDirectory: "/run/metanet",
    transport: network.transport(credentials),
    watcher: network,
    random: { bytes: (count) => new Uint8Array(count).fill(0xd1) },
    rights: { uid: 1000 },
  });
  const stream = await network.transport(credentials).connect({ kind: "unix", path: "/run/metanet/dhcpd" });
  let received: string[] = [];
  stream.start({ onData: (bytes) => received.push(formatHex(bytes)), onClose: () => undefined });
  const steps: Step[] = [];
  for (const { answers, ...said } of SCRIPT) {
    steps.push({ from: "client", says: said.says, hex: formatHex(encode(said)) });
    stream.write(encode(said));
    await clock.advance(milliseconds(1));
    const hex = received.join("");
    received = [];
    if ((hex !== "") !== answers.length > 0) throw new Error(`${said.says}: the owner said ${hex}`);
    for (const says of answers) steps.push({ from: "owner", says, hex });
  }
  return steps;
}

function encode(said: Said): Uint8Array {
  const output = new Output();
  writeFrame(output, {
    flags: 0,
    mailbox: NO_MAILBOX,
    seq: 0,
    ref: 0,
    body: [],
    ...said,
  });
  return output.bytes.slice(0, output.length);
}
