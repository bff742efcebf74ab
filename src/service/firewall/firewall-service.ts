/**
 * The firewall broker: the one service with root's powers. It loads our rules, lets clients pass and stops them,
 * within a declared policy, and refuses everything else. The kernel's own maps are the state, so that a restart
 * of the broker changes nothing for anybody.
 * @module
 */
import type { Timer } from "#base/clock.ts";
import { ConfigurationError } from "#base/errors.ts";
import { type Duration, milliseconds, seconds } from "#base/time.ts";
import { firewall } from "#contract/firewall.ts";
import type { RuleSet } from "#io/rule-set.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Context } from "#mailbox/listener.ts";
import type { Message } from "#mailbox/message.ts";
import type { Takes } from "#mailbox/registry.ts";
import type { Attachment } from "#mailbox/router.ts";
import { type Answer, answer } from "#mailbox/verdict.ts";
import { DEFAULT_MARK, type FirewallConfig, type FirewallOptions, firewallConfig } from "./config.ts";
import { CounterPages } from "./counter-pages.ts";
import { type Counted, KernelState } from "./kernel-state.ts";
import { Permits } from "./permits.ts";
import { gatewayTable } from "./rules.ts";

/** How often the broker looks for permits that are over, and whether its rules are still there. */
export const SWEEP_INTERVAL: Duration = seconds(2);

/** Takes one line for the log. */
export type FirewallLog = (
  level: "info" | "warn" | "error",
  text: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

export interface FirewallServiceOptions {
  readonly bus: Bus;
  readonly rules: RuleSet;
  readonly config: FirewallOptions;
  /** Gets every permit, revocation, refusal and repair, with who asked. */
  readonly log: FirewallLog;
}

export class FirewallService {
  readonly #bus: Bus;
  readonly #rules: RuleSet;
  readonly #config: FirewallConfig;
  readonly #log: FirewallLog;
  readonly #permits: Permits;
  readonly #pages: CounterPages;
  readonly #attachments: Attachment[] = [];
  #timer: Timer | undefined;
  #open = true;

  /** @throws ConfigurationError */
  constructor(options: FirewallServiceOptions) {
    this.#bus = options.bus;
    this.#rules = options.rules;
    this.#config = firewallConfig(options.config);
    this.#log = options.log;
    const { clock } = options.bus;
    this.#permits = new Permits({
      policy: this.#config,
      kernel: new KernelState(options.rules, gatewayTable(this.#config), clock),
      clock,
      events: this.#events(),
    });
    this.#pages = new CounterPages(() => this.#permits.counters(), clock);
  }

  /**
   * Loads the rules, takes over who passes already, and opens the mailboxes.
   * @throws ClaimedError when another gateway has the interface or the table; NftMissingError, NotPermittedError,
   *   RulesRefusedError.
   */
  async start(): Promise<void> {
    const { table, inside, outside } = this.#config;
    await this.#rules.claim(`${table}-broker`);
    await this.#rules.claim(`metanet-on-${inside}`);
    // Before the permits are read back, so that ending one of them can be told.
    this.#bus.offer(firewall);
    await this.#permits.start();
    this.#attachments.push(
      await this.#bus.provide("/firewall/permit", (message, context) => this.#permit(message, context)),
      await this.#bus.provide("/firewall/revoke", (message, context) => this.#revoke(message, context)),
      await this.#bus.provide("/firewall/counters", (message) => this.#counters(message)),
    );
    this.#sweepLater();
    this.#log("info", "the rules are loaded", { table, inside, outside, permits: this.#permits.size });
  }

  /** Closes the mailboxes. The rules stay, and whoever may pass goes on passing. */
  async stop(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    this.#timer?.cancel();
    for (const attachment of this.#attachments) await attachment.detach();
    this.#rules.close();
  }

  /** Stops, and removes our own table and nothing else. Nobody is kept from passing any more. */
  async remove(): Promise<void> {
    this.#timer?.cancel();
    await this.#rules.remove(this.#config.table);
    this.#log("info", "the rules are removed", { table: this.#config.table });
    await this.stop();
  }

  async #permit(message: Message<Takes<"/firewall/permit">>, { sender }: Context): Promise<Answer> {
    const mac = required(message.get("mac"), "mac");
    const address = required(message.get("address"), "address");
    const timeout = message.get("timeout");
    const request = {
      mac,
      address,
      mark: message.get("mark") ?? DEFAULT_MARK,
      timeout: timeout === undefined ? undefined : milliseconds(timeout),
      interface: message.get("interface"),
    };
    try {
      await this.#permits.permit(request);
    } catch (error) {
      this.#logRefusal("permit", { sender, mac: String(mac), address: String(address) }, error);
      throw error;
    }
    this.#log("info", "permit", { sender, mac: String(mac), address: String(address), mark: request.mark });
    return answer({});
  }

  async #revoke(message: Message<Takes<"/firewall/revoke">>, { sender }: Context): Promise<Answer> {
    const mac = required(message.get("mac"), "mac");
    try {
      const revoked = await this.#permits.revoke(mac, message.get("address"));
      this.#log("info", "revoke", { sender, mac: String(mac), revoked });
      return answer({ revoked });
    } catch (error) {
      this.#logRefusal("revoke", { sender, mac: String(mac) }, error);
      throw error;
    }
  }

  async #counters(message: Message<Takes<"/firewall/counters">>): Promise<Answer> {
    const [mac, limit] = [message.get("mac"), message.get("limit")];
    // One client has few permits: those are not cut into pages.
    const isPage = mac === undefined && limit !== undefined;
    const { counted, more } = isPage
      ? await this.#pages.page(limit, message.get("after"))
      : { counted: await this.#permits.counters(mac), more: false };
    const now = this.#bus.clock.now();
    const list = <T>(pick: (one: Counted) => T): T[] => counted.map(pick);
    return answer({
      mac: list(({ client }) => client.mac),
      address: list(({ client }) => client.address),
      mark: list(({ client }) => client.mark),
      "up-packets": list(({ up }) => up.packets),
      "up-bytes": list(({ up }) => up.bytes),
      "down-packets": list(({ down }) => down.packets),
      "down-bytes": list(({ down }) => down.bytes),
      expires: list(({ client: { expiresAt } }) =>
        expiresAt === undefined ? 0 : Math.max(1, expiresAt - now),
      ),
      more,
    });
  }

  #events(): ConstructorParameters<typeof Permits>[0]["events"] {
    return {
      permitted: ({ mac, address, mark, timeout }) =>
        this.#bus.post("/firewall/permitted", { mac, address, mark, timeout }),
      revoked: ({ mac, address }, reason) => {
        this.#bus.post("/firewall/revoked", { mac, address, reason });
        if (reason === "asked") return;
        this.#log("info", "a permit ended", { mac: String(mac), address: String(address), reason });
      },
      restored: (permits) => {
        const text = "somebody else removed or changed our rules in the kernel; they are loaded again";
        this.#log("warn", text, { table: this.#config.table, permits });
        this.#bus.post("/firewall/restored", { permits });
      },
    };
  }

  #sweepLater(): void {
    this.#timer = this.#bus.clock.after(SWEEP_INTERVAL, () => {
      this.#permits
        .sweep()
        .catch((error: unknown) => this.#log("error", "the rules could not be looked after", textOf(error)))
        .finally(() => {
          if (this.#open) this.#sweepLater();
        });
    });
  }

  #logRefusal(what: string, fields: Readonly<Record<string, unknown>>, error: unknown): void {
    this.#log("warn", `${what} refused`, { ...fields, ...textOf(error) });
  }
}

function textOf(error: unknown): { error: string; code?: string } {
  if (!(error instanceof Error)) return { error: String(error) };
  return "code" in error ? { error: error.message, code: String(error.code) } : { error: error.message };
}

/** Senders of the own process are not checked against the contract. */
function required<T>(value: T | undefined, tag: string): T {
  if (value === undefined) throw new ConfigurationError(`Cannot serve the message: tag '${tag}' is missing`);
  return value;
}
