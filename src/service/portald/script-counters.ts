/**
 * Bytes of clients as packet scripts in the kernel count them: packetd's maps, which the two functions of
 * example/kernel/accounting.ts fill. Nothing here throws; while the maps cannot be read the firewall's counters serve,
 * and the log says so.
 * @module
 */
import type { IpAddress } from "#base/ip-address.ts";
import { between, type Duration, type Instant, seconds } from "#base/time.ts";
import "#contract/packetd.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { CounterReading } from "#protocol/portal/session.ts";
import type { PortaldLog } from "./session-book.ts";

/** Keys of one question: what packetd answers at the most. */
const KEY_COUNT_MAX = 1000;

/** So long after the start it is not told that no script counts yet: packetd starts later, and compiles first. */
export const START_PATIENCE: Duration = seconds(30);

/** The maps of one family: what clients send, and what they get. */
const MAPS = {
  4: { up: "client-bytes-up", down: "client-bytes-down" },
  6: { up: "client-bytes-up6", down: "client-bytes-down6" },
} as const;

/** The bytes of an address; zeros for one that nothing was counted for. */
export type ScriptBytes = (
  address: IpAddress,
) => Required<Pick<CounterReading, "countedBy" | "upBytes" | "downBytes">>;

export interface ScriptCountersOptions {
  readonly bus: Bus;
  readonly timeout: Duration;
  readonly log?: PortaldLog | undefined;
}

export class ScriptCounters {
  readonly #bus: Bus;
  readonly #timeout: Duration;
  readonly #log: PortaldLog;
  readonly #startedAt: Instant;
  /** `undefined` until it was told. */
  #isCounting: boolean | undefined;

  constructor({ bus, timeout, log = () => undefined }: ScriptCountersOptions) {
    this.#bus = bus;
    this.#timeout = timeout;
    this.#log = log;
    this.#startedAt = bus.clock.now();
  }

  /** Whether the last reading succeeded. */
  get isCounting(): boolean {
    return this.#isCounting ?? false;
  }

  /** What was counted for these addresses; `undefined` when it cannot be had. */
  async read(addresses: readonly IpAddress[]): Promise<ScriptBytes | undefined> {
    try {
      const counts = new Map<string, number>();
      for (const family of [4, 6] as const) {
        const keys = addresses.filter((one) => one.family === family).map(keyOf);
        // Also without any: whether the scripts are there shall be known before the first client comes.
        for (let at = 0; at < Math.max(1, keys.length); at += KEY_COUNT_MAX) {
          const page = keys.slice(at, at + KEY_COUNT_MAX);
          await Promise.all(Object.values(MAPS[family]).map((map) => this.#readPage(map, page, counts)));
        }
      }
      this.#tell(true);
      return (address) => ({
        countedBy: "packet-script",
        upBytes: counts.get(`${MAPS[address.family].up} ${keyOf(address)}`) ?? 0,
        downBytes: counts.get(`${MAPS[address.family].down} ${keyOf(address)}`) ?? 0,
      });
    } catch (error) {
      this.#tell(false, error);
      return undefined;
    }
  }

  async #readPage(map: string, keys: readonly string[], counts: Map<string, number>): Promise<void> {
    const asked = { name: map, keys: [...keys] };
    const answer = await this.#bus.call("packetd:/packetd/map/read", asked, { timeout: this.#timeout });
    const values = answer.get("value") ?? [];
    for (const [index, key] of (answer.get("key") ?? []).entries()) {
      counts.set(`${map} ${key}`, values[index] ?? 0);
    }
  }

  #tell(isCounting: boolean, error?: unknown): void {
    if (this.#isCounting === isCounting) return;
    const isStarting = between(this.#startedAt, this.#bus.clock.now()) < START_PATIENCE;
    if (!isCounting && this.#isCounting === undefined && isStarting) return;
    this.#isCounting = isCounting;
    if (isCounting) this.#log("info", "packet scripts in the kernel count the clients' bytes", {});
    else this.#log("warn", "the firewall counts the clients' bytes: packet scripts do not", { error });
  }
}

/** As the maps' keys are written: whole numbers. */
function keyOf(address: IpAddress): string {
  return address.family === 4 ? String(address.toUint32()) : String(BigInt(`0x${hexOf(address.bytes)}`));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
