/**
 * The firewall as the portal uses it: three calls into another process, which may be away. Nothing here throws; a
 * call that did not succeed is a word, `false` or `undefined`, and counted.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import { MacAddress } from "#base/mac-address.ts";
import { between, type Duration, type Instant, milliseconds } from "#base/time.ts";
import type { Value } from "#base/value.ts";
import "#contract/firewall.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { CounterReading } from "#protocol/portal/session.ts";
import type { ScriptCounters } from "./script-counters.ts";

/** The mark of permits that are the portal's; those with another one are somebody else's, and left alone. */
export const PORTAL_MARK = 1;

/** Counters asked for at once: what comfortably fits into a frame between processes. */
export const COUNTER_ROWS_MAX = 4096;

/**
 * Permits that follow one another so closely are asked for together, this much later at the most: a crowd at the
 * login page then costs the link, the firewall and the kernel a step each, not one for every client.
 */
export const PERMIT_GATHER: Duration = milliseconds(5);

/** What the firewall said to a permit; `refused` is its policy's word, and stands. */
export type PermitOutcome = "open" | "refused" | "failed";

/** What the firewall lets pass on the portal's behalf, by the client's MAC address as text. */
export type DoorState = ReadonlyMap<
  string,
  { readonly mac: MacAddress; readonly readings: readonly CounterReading[] }
>;

export class FirewallDoor {
  readonly #bus: Bus;
  readonly #timeout: Duration;
  readonly #scripts: ScriptCounters | undefined;
  #gathering: Promise<void> | undefined;
  #permitAt: Instant = 0 as Instant;
  #failureCount = 0;
  #refusedCount = 0;

  /** @param scripts who counts bytes; the firewall when there is nobody, or nobody who can */
  constructor(bus: Bus, timeout: Duration, scripts?: ScriptCounters) {
    this.#bus = bus;
    this.#timeout = timeout;
    this.#scripts = scripts;
  }

  /** Calls that did not succeed. */
  get failureCount(): number {
    return this.#failureCount;
  }

  /** Permits that the firewall's policy refused. */
  get refusedCount(): number {
    return this.#refusedCount;
  }

  /** Whether bytes are counted by somebody else than the firewall, as of the last reading. */
  get countsByScript(): boolean {
    return this.#scripts?.isCounting ?? false;
  }

  /** Asks the firewall to let an address pass. */
  async permit(mac: MacAddress, address: IpAddress, timeout: Duration | undefined): Promise<PermitOutcome> {
    const body = {
      mac,
      address,
      mark: PORTAL_MARK,
      ...(timeout === undefined ? {} : { timeout: Math.ceil(timeout) }),
    };
    const turn = this.#turn();
    if (turn) await turn;
    try {
      await this.#bus.call("firewall:/firewall/permit", body, { timeout: this.#timeout });
      return "open";
    } catch (error) {
      const isRefused = (error as { code?: string }).code === "refused-by-policy";
      if (isRefused) this.#refusedCount++;
      else this.#failureCount++;
      return isRefused ? "refused" : "failed";
    }
  }

  /** What a permit waits for so that others can join it; nothing when it is alone. */
  #turn(): Promise<void> | undefined {
    const { clock } = this.#bus;
    const before = this.#permitAt;
    this.#permitAt = clock.now();
    if (!this.#gathering && between(before, this.#permitAt) >= PERMIT_GATHER) return undefined;
    this.#gathering ??= new Promise((resolve) => {
      clock.after(PERMIT_GATHER, () => {
        this.#gathering = undefined;
        resolve();
      });
    });
    return this.#gathering;
  }

  /** Whether the firewall has answered that the address, or every address of the client, is shut out. */
  async revoke(mac: MacAddress, address: IpAddress | undefined): Promise<boolean> {
    const body = { mac, ...(address === undefined ? {} : { address }) };
    const answer = await this.#try(() =>
      this.#bus.call("firewall:/firewall/revoke", body, { timeout: this.#timeout }),
    );
    return answer !== undefined;
  }

  /** All counters, page by page; `undefined` when they cannot be had. */
  async read(): Promise<DoorState | undefined> {
    const state = new Map<string, { mac: MacAddress; readings: CounterReading[] }>();
    let after: IpAddress | undefined;
    for (;;) {
      const body = { limit: COUNTER_ROWS_MAX, ...(after === undefined ? {} : { after }) };
      const answer = await this.#try(() =>
        this.#bus.call("firewall:/firewall/counters", body, { timeout: this.#timeout }),
      );
      if (answer === undefined) return undefined;
      addRows(state, answer.toObject());
      after = answer.get("more") === true ? answer.get("address")?.at(-1) : undefined;
      if (after === undefined) break;
    }
    if (this.#scripts === undefined) return state;
    const addresses = [...state.values()].flatMap(({ readings }) => readings.map(({ address }) => address));
    const counted = await this.#scripts.read(addresses);
    if (counted === undefined) return state;
    for (const client of state.values()) {
      client.readings = client.readings.map((reading) => ({ ...reading, ...counted(reading.address) }));
    }
    return state;
  }

  /** Where the bytes of an address stand that is about to be let in; `undefined` when the firewall counts them. */
  async standingOf(address: IpAddress): Promise<CounterReading | undefined> {
    const counted = await this.#scripts?.read([address]);
    return counted && { address, upPackets: 0, downPackets: 0, ...counted(address) };
  }

  async #try<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch {
      this.#failureCount++;
      return undefined;
    }
  }
}

/** Puts the parallel lists of `/firewall/counters` in order by client. */
function addRows(
  state: Map<string, { mac: MacAddress; readings: CounterReading[] }>,
  answer: { readonly [tag: string]: Value },
): void {
  const column = (tag: string): readonly unknown[] => {
    const list = answer[tag];
    return Array.isArray(list) ? list : [];
  };
  const [macs, addresses] = [column("mac"), column("address")];
  const [upBytes, upPackets] = [column("up-bytes"), column("up-packets")];
  const [downBytes, downPackets] = [column("down-bytes"), column("down-packets")];
  const marks = column("mark");
  for (const [index, mac] of macs.entries()) {
    if (!(mac instanceof MacAddress) || (marks[index] ?? PORTAL_MARK) !== PORTAL_MARK) continue;
    const key = mac.toString();
    const client = state.get(key) ?? { mac, readings: [] };
    state.set(key, client);
    client.readings.push({
      address: addresses[index] as IpAddress,
      upBytes: Number(upBytes[index] ?? 0),
      upPackets: Number(upPackets[index] ?? 0),
      downBytes: Number(downBytes[index] ?? 0),
      downPackets: Number(downPackets[index] ?? 0),
    });
  }
}
