/**
 * A portal in a simulated world: clients, a firewall in another process that can go away, a disk that survives.
 * @module
 */
import assert from "node:assert/strict";
import type { MetanetError } from "#base/errors.ts";
import { type IpAddress, ip, prefix } from "#base/ip-address.ts";
import { type MacAddress, mac } from "#base/mac-address.ts";
import { SeededRandom } from "#base/seeded-random.ts";
import { seconds } from "#base/time.ts";
import { decodeUtf8 } from "#base/utf8.ts";
import { firewall } from "#contract/firewall.ts";
import { Bus } from "#mailbox/bus.ts";
import { PeerGoneError, RemoteError } from "#mailbox/errors.ts";
import type { Fields } from "#mailbox/message.ts";
import type { Router } from "#mailbox/router.ts";
import { answer } from "#mailbox/verdict.ts";
import { type PortaldOptions, portaldOptions } from "#service/portald/config.ts";
import { PortaldService } from "#service/portald/portald-service.ts";
import { SimClock } from "#sim/clock.ts";
import { SimHttpServers } from "#sim/http-server.ts";
import { SimKeyedHash } from "#sim/keyed-hash.ts";
import { SimNeighbours } from "#sim/neighbours.ts";
import { SimDisk } from "#sim/store.ts";

const PORTAL = ip("10.77.0.1");
export const PORTAL6 = ip("2001:db8::1");
export const ALICE = {
  mac: mac("02:00:00:00:00:0a"),
  address: ip("10.77.0.100"),
  address6: ip("2001:db8::a"),
};
export const BOB = { mac: mac("02:00:00:00:00:0b"), address: ip("10.77.0.101") };

/** The clients' networks, by the firewall's policy. */
const PREFIXES = [prefix("10.77.0.0/16"), prefix("2001:db8::/64")];

interface Permit {
  readonly mac: MacAddress;
  readonly address: IpAddress;
  readonly mark: number;
  packets: number;
  bytes: number;
}

/** The firewall as another process: three mailboxes, which can be away. */
class FakeFirewall implements Router {
  readonly bus: Bus;
  readonly permits = new Map<string, Permit>();
  /** Addresses for which a permit was asked. */
  readonly asked: string[] = [];
  isAway = false;
  calls = 0;

  constructor(clock: SimClock) {
    this.bus = new Bus({ name: "firewall", clock });
    this.bus.offer(firewall);
    this.bus.provide("/firewall/permit", (message) => {
      const client = message.get("mac");
      const address = message.get("address");
      if (!client || !address) return;
      this.asked.push(String(address));
      if (!PREFIXES.some((network) => network.contains(address))) {
        throw new RemoteError("refused-by-policy", `Cannot permit ${client} at ${address}`);
      }
      const before = this.permits.get(String(address));
      const mark = message.get("mark") ?? 1;
      if (before?.mac.equals(client)) return answer();
      this.permits.set(String(address), { mac: client, address, mark, packets: 0, bytes: 0 });
      return answer();
    });
    this.bus.provide("/firewall/revoke", (message) => {
      let revoked = 0;
      for (const [key, permit] of this.permits) {
        const address = message.get("address");
        if (String(permit.mac) !== String(message.get("mac"))) continue;
        if (address !== undefined && String(address) !== key) continue;
        this.permits.delete(key);
        revoked++;
      }
      return answer({ revoked });
    });
    this.bus.provide("/firewall/counters", (message) => {
      const [after, limit = Infinity] = [message.get("after"), message.get("limit")];
      // In the order in which they were given, as a stand-in for that of the addresses.
      const begin = after === undefined ? 0 : [...this.permits.keys()].indexOf(String(after)) + 1;
      const rows = [...this.permits.values()].slice(begin, begin + limit);
      const counts = rows.map((row) => row.packets);
      const bytes = rows.map((row) => row.bytes);
      return answer({
        mac: rows.map((row) => row.mac),
        address: rows.map((row) => row.address),
        mark: rows.map((row) => row.mark),
        "up-packets": counts,
        "up-bytes": bytes,
        "down-packets": counts,
        "down-bytes": bytes,
        expires: rows.map(() => 0),
        more: begin + limit < this.permits.size,
      });
    });
  }

  async call(...[to, message]: Parameters<Router["call"]>): ReturnType<Router["call"]> {
    this.calls++;
    if (this.isAway) throw new PeerGoneError("Cannot reach firewall: it is away");
    return this.bus.call(to.path, message) as ReturnType<Router["call"]>;
  }

  send(): never {
    throw new Error("not used");
  }
  post(): never {
    throw new Error("not used");
  }
  attach(): never {
    throw new Error("not used");
  }
  observe(): never {
    throw new Error("not used");
  }
}

export interface Answered {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

export class World {
  readonly clock = new SimClock();
  readonly firewall = new FakeFirewall(this.clock);
  readonly neighbours = new SimNeighbours();
  readonly disk = new SimDisk({ clock: this.clock });
  http = new SimHttpServers(this.clock);
  bus = this.#newBus();
  service: PortaldService | undefined;
  readonly options: PortaldOptions;
  /** Levels of what the portal logged, with the code of the error. */
  readonly log: string[] = [];

  constructor(options: Partial<PortaldOptions> = {}) {
    this.options = portaldOptions({ address: PORTAL, address6: PORTAL6, title: "Lab & Co", ...options });
    this.neighbours.add(ALICE.address, ALICE.mac);
    this.neighbours.add(ALICE.address6, ALICE.mac);
    this.neighbours.add(BOB.address, BOB.mac);
  }

  #newBus(): Bus {
    const bus = new Bus({ name: "portald", clock: this.clock });
    bus.router = this.firewall;
    return bus;
  }

  /** Runs something that needs time to pass, such as a commit to the disk. */
  async run<T>(action: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = action.finally(() => {
      isDone = true;
    });
    settled.catch(() => undefined);
    await this.clock.advance(seconds(0));
    for (let turn = 0; turn < 1000 && !isDone; turn++) await this.clock.advance(seconds(0.01));
    assert.ok(isDone, "the action has ended within 10 s");
    return settled;
  }

  async start(seed = 1): Promise<void> {
    this.service = new PortaldService({
      bus: this.bus,
      options: this.options,
      http: this.http,
      neighbours: this.neighbours,
      store: this.disk.open(),
      random: new SeededRandom(seed),
      hasher: new SimKeyedHash(),
      log: (level, _text, { error }) => {
        this.log.push(`${level} ${error === undefined ? "" : (error as MetanetError).code}`);
      },
    });
    await this.run(this.service.start());
  }

  /** Kills the process, and starts it again on the same disk. */
  async crash(): Promise<void> {
    this.disk.crash();
    this.http = new SimHttpServers(this.clock);
    const old = this.bus;
    old.router = undefined; // whatever the dead process still would do reaches nobody
    this.bus = this.#newBus();
    await this.start(2);
  }

  async ask(
    from: IpAddress,
    target: string,
    more: { host?: string | undefined; method?: string; body?: string; headers?: [string, string][] } = {},
  ): Promise<Answered> {
    const portal = { address: PORTAL, port: 5280 };
    const connection = this.http.connect(portal, { address: from, port: 40_000 });
    const host = "host" in more ? more.host : "10.77.0.1:5280";
    const headers: [string, string][] = [...(host === undefined ? [] : [["Host", host] as [string, string]])];
    const { method = "GET", body = "" } = more;
    headers.push(...(more.headers ?? []));
    const reply = await this.run(connection.request({ method, target, headers, body }));
    connection.close();
    return { status: reply.status, headers: reply.headers, text: decodeUtf8(reply.body) ?? "" };
  }

  async token(from: IpAddress, page = "/login"): Promise<string> {
    const { text } = await this.ask(from, page);
    const token = /name="token" value="([^"]+)"/.exec(text)?.[1];
    assert.ok(token, `no token on ${page}: ${text}`);
    return token;
  }

  async login(from: IpAddress, fields: Record<string, string> = {}): Promise<Answered> {
    const token = fields.token ?? (await this.token(from));
    const body = new URLSearchParams({ ...fields, token }).toString();
    return this.ask(from, "/login", { method: "POST", body });
  }

  call(path: string, body: Fields = {}): Promise<Record<string, unknown>> {
    return this.run(this.bus.call(path, body).then((message) => message.toObject()));
  }

  isPermitted(address: IpAddress): boolean {
    return this.firewall.permits.has(address.toString());
  }

  traffic(address: IpAddress, packets: number, bytes: number): void {
    const permit = this.firewall.permits.get(address.toString());
    assert.ok(permit);
    permit.packets += packets;
    permit.bytes += bytes;
  }
}

export async function started(options: Partial<PortaldOptions> = {}): Promise<World> {
  const world = new World(options);
  await world.start();
  return world;
}

export const LOGIN = "http://10.77.0.1:5280/login";
