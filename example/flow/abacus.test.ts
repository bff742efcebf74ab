import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FlowEngineOptions } from "metanet/flow";
import { SeededRandom } from "#base/seeded-random.ts";
import { capturesSkipped } from "../../test/support/captures.ts";
import { conversation } from "../../test/support/conversation.ts";
import { udpTalk } from "../../test/support/conversation-other.ts";
import { type Account, abacus, keepAccounts } from "./abacus.ts";
import { FlowWorld } from "./test-world.ts";

const USER = "10.0.0.1";

class Books extends FlowWorld {
  readonly accounts: ReadonlyMap<string, Account>;

  constructor(options: FlowEngineOptions = {}) {
    let accounts: ReadonlyMap<string, Account> = new Map();
    super((engine, printing) => {
      ({ accounts } = keepAccounts(engine, printing.print));
    }, options);
    this.accounts = accounts;
  }

  get user(): Account {
    const account = this.accounts.get(USER);
    assert.ok(account);
    return account;
  }
}

const HONEST = "an honest line of text ".repeat(20);
const OTHER = HONEST.toUpperCase();
const { length } = HONEST;

describe("abacus", () => {
  test("keepAccounts() charges a byte once, however often it was sent, in both directions", () => {
    const books = new Books();
    const talk = conversation();
    books.play(...talk.handshake(), talk.client(HONEST), talk.server("answer"));
    books.play(
      talk.client(HONEST, { at: 0 }),
      talk.client(HONEST, { at: 0 }),
      talk.server("answer", { at: 0 }),
    );
    // Half of it again, and more behind it.
    books.play(talk.client(`${HONEST.slice(-10)}tail`, { at: length - 10 }));
    const delivered = length + 6 + 4;
    assert.deepEqual(books.user, { delivered, charged: delivered, repeated: 2 * length + 6 + 10, hidden: 0 });
    assert.deepEqual(books.take(), []);
  });

  for (const [how, attack] of [
    ["after delivery", {}],
    ["after delivery, acknowledged", { acknowledged: 6 }],
    ["with a time to live that ends on the way", { ttl: 1 }],
  ] as const) {
    test(`keepAccounts() finds bytes hidden in a retransmission ${how}`, () => {
      const books = new Books();
      const talk = conversation();
      books.play(...talk.handshake(), talk.client(HONEST), talk.server("answer"), talk.ack("client"));
      books.play(talk.client(HONEST.slice(0, 100) + OTHER.slice(100), { at: 0, ...attack }));
      assert.deepEqual(books.take(), [
        `22:13:20.006 10.0.0.1:1025 -> 10.0.0.2:80 sends 0 to ${length} again, other bytes from 100 on`,
      ]);
      assert.equal(books.user.charged, 2 * length + 6);
      assert.equal(books.user.hidden, length);
    });
  }

  test("keepAccounts() finds bytes hidden in segments that are out of order", () => {
    const books = new Books();
    const talk = conversation();
    books.play(...talk.handshake(), talk.client(HONEST, { at: 50 }), talk.client(OTHER, { at: 50 }));
    books.play(talk.client(HONEST, { at: 50 }), talk.client("-".repeat(50), { at: 0 }));
    assert.equal(books.user.hidden, length);
    assert.equal(books.user.charged, 50 + 2 * length);
    assert.equal(books.user.repeated, length);
    assert.match(books.take()[0] ?? "", /sends 50 to 510 again, other bytes from 50 on/);
  });

  test("keepAccounts() charges what is too old to be compared", () => {
    const books = new Books({ limits: { compareBytes: 4096 } });
    const talk = conversation();
    const block = new Uint8Array(1000).fill(7);
    books.play(...talk.handshake());
    for (let count = 0; count < 20; count++) books.play(talk.client(block), talk.ack("server"));
    books.play(talk.client(block, { at: 0 }), talk.client(block, { at: 19_000 }));
    assert.deepEqual(books.user, { delivered: 20_000, charged: 21_000, repeated: 1000, hidden: 1000 });
    assert.match(books.take().join(), /sends 0 to 1000 again, nothing to compare with/);
  });

  test("keepAccounts() charges bytes outside of the window, and in resets, which no receiver takes", () => {
    const books = new Books();
    const talk = conversation();
    books.play(...talk.handshake(), talk.client("x"), talk.ack("server"));
    books.play(talk.client(HONEST, { at: 500_000 }));
    books.play(talk.send("client", HONEST, { flags: "R", at: 77 }));
    assert.equal(books.user.delivered, 1);
    assert.equal(books.user.charged, 1 + 2 * length);
  });

  test("keepAccounts() charges datagrams, and keeps users apart", () => {
    const books = new Books();
    const mine = udpTalk({ client: `${USER}:1000` });
    const yours = udpTalk({ client: "10.0.0.3:1000" });
    books.play(mine.client("12345"), mine.client("12345"), mine.server("123"), yours.client("1"));
    assert.deepEqual(books.user, { delivered: 13, charged: 13, repeated: 0, hidden: 0 });
    assert.equal(books.accounts.get("10.0.0.3")?.charged, 1);
  });

  test("keepAccounts() misses no byte of a tunnel through retransmissions", () => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
    const random = new SeededRandom(seed);
    const books = new Books();
    const talk = conversation();
    books.play(...talk.handshake());
    let honest = 0;
    let tunnelled = 0;
    const cover: Uint8Array[] = [];
    for (let round = 0; round < 300; round++) {
      const segment = random.bytes(1 + random.below(1000)).slice();
      cover.push(segment);
      const at = honest;
      honest += segment.length;
      books.play(talk.client(segment));
      const kind = random.below(3);
      // Lost and sent again, or sent again with something else in it, or neither.
      if (kind === 0) books.play(talk.client(segment, { at }));
      if (kind === 1) {
        const secret = segment.map((byte) => byte ^ (1 + random.below(255)));
        tunnelled += secret.length;
        books.play(talk.client(secret, { at, ttl: random.below(2) === 0 ? 2 : 64 }));
      }
      if (random.below(2) === 0) books.play(talk.ack("server"));
    }
    assert.equal(books.user.delivered, honest, `SEED=${seed}`);
    assert.equal(books.user.hidden, tunnelled, `SEED=${seed}`);
    assert.equal(books.user.charged, honest + tunnelled, `SEED=${seed}`);
  });

  test("abacus() prints a table of users now and then, and in the end", () => {
    let finish = (): void => undefined;
    const world = new FlowWorld((engine, printing) => {
      finish = abacus(engine, printing);
    });
    const talk = udpTalk({ client: `${USER}:1000` });
    world.play(talk.client("12345"), udpTalk({ client: "10.0.0.3:1" }).client("1234567", { time: 11_000 }));
    const table = [
      "User      Delivered  Charged  Repeated  Hidden",
      "10.0.0.1          5        5         0       0",
    ];
    assert.deepEqual(world.take(), table);
    world.close();
    finish();
    assert.deepEqual(world.take(), [table[0], "10.0.0.3          7        7         0       0", table[1]]);
  });

  test("keepAccounts() puts users beyond its maximum into one account", () => {
    const books = new Books();
    for (let user = 0; user < 100_010; user++) {
      const client = `10.${user >> 16}.${(user >> 8) & 255}.${user & 255}:1000`;
      books.engine.handle(udpTalk({ client, server: "192.0.2.1:53" }).client("123", { time: 1 }));
    }
    assert.equal(books.accounts.size, 100_001);
    assert.equal(books.accounts.get("others")?.charged, 30);
  });

  test("keepAccounts() charges no less than was delivered in a capture", {
    skip: capturesSkipped,
  }, async () => {
    for (const name of ["ndpi/http_auth.pcap", "ndpi/443-chrome.pcap", "gopacket/modbus.pcap"]) {
      const books = new Books();
      await books.replay(name);
      for (const [user, { delivered, charged }] of books.accounts) {
        assert.ok(charged >= delivered, `${name}, ${user}: ${charged} of ${delivered}`);
      }
    }
  });
});
