/**
 * The captive portal of the MetaNet paper (§9), line by line: a web server, one listener, a redirect, a login and an
 * idle time-out. `README.md` shows the Perl beside it.
 * @module
 */
import { type IpAddress, ip } from "#base/ip-address.ts";
import type { MacAddress } from "#base/mac-address.ts";
import { between, type Duration, type Instant, seconds } from "#base/time.ts";
import "#contract/firewall.ts";
import "#contract/system.ts";
import type { Bus } from "#mailbox/bus.ts";
import type { Fields, Message } from "#mailbox/message.ts";

export interface PaperPortalSettings {
  /** 5280 in the paper; 0 for any free port. */
  readonly port: number;
  /** Clients are logged out after so long without traffic. */
  readonly idle: Duration;
  /** How often that is looked at; 5 s in the paper. */
  readonly interval: Duration;
  /** The hardware address behind a client's address, from the neighbour table. */
  readonly find: (address: IpAddress) => Promise<MacAddress | undefined>;
}

interface Client {
  readonly mac: MacAddress;
  readonly address: IpAddress;
  usedBytes: number;
  lastActive: Instant;
}

export class PaperPortal {
  readonly #net: Bus;
  readonly #settings: PaperPortalSettings;
  readonly #clients = new Map<string, Client>();

  constructor(net: Bus, settings: PaperPortalSettings) {
    this.#net = net;
    this.#settings = settings;
  }

  /** Starts the portal; gives the port it listens on. */
  async start(): Promise<number> {
    const net = this.#net;
    const { port, interval } = this.#settings;

    // MetaNet::send("/system/http/server/new", name => "/captive/server", port => 5280);
    const server = await net.call("/system/http/server/new", { name: "/captive/server", port });
    // MetaNet::append_new_listener("/captive/server/request", \&client_request);
    await net.append("/captive/server/request", "client_request", (tuples) => this.#clientRequest(tuples));
    // MetaNet::add_timeout(time + 5, \&idle_timeout);
    await net.call("/system/timer/new", { name: "/captive/idle", interval, repeat: true });
    await net.append("/captive/idle/tick", "idle_timeout", () => this.#idleTimeout());
    return server.get("port") as number;
  }

  // sub client_request
  async #clientRequest(tuples: Message): Promise<void> {
    const { Host, sockhost, sockport, path, clientname } = tuples.toObject();
    if (Host === `${sockhost}:${sockport}`) {
      await this.#servePage(tuples);
    } else {
      const url = encodeURIComponent(`http://${Host}${path}`);
      await this.#redirect(String(clientname), `http://${sockhost}:${sockport}/?url=${url}`);
    }
    await this.#net.send(`${clientname}/close`, {});
  }

  // sub redirect
  async #redirect(client: string, newUrl: string): Promise<void> {
    const headers: Fields = {
      code: 307,
      Location: newUrl,
      Refresh: `1;URL=${newUrl}`,
      "Content-Type": "text/html",
      data:
        `<html><head><title>Moved!</title><meta http-equiv="Refresh" content="1;URL=${newUrl}"></head>` +
        `<body>This page has been <a href="${newUrl}">moved.</a></body></html>`,
    };
    await this.#net.send(`${client}/response`, headers);
  }

  // serve_page, which the paper leaves to the reader: one button, and what it does.
  async #servePage(tuples: Message): Promise<void> {
    const { clientname, method, path, peerhost } = tuples.toObject();
    const isLogin = method === "POST" && path === "/login";
    const isIn = isLogin && (await this.#clientLogin(ip(String(peerhost))));
    const data = isIn
      ? "<h1>You are online</h1>"
      : `<h1>Welcome</h1><form method="post" action="/login"><button>Go online</button></form>`;
    await this.#net.send(`${clientname}/response`, { code: 200, "Content-Type": "text/html", data });
  }

  // sub client_login: the broker's mailbox where the paper has system("iptables …")
  async #clientLogin(address: IpAddress): Promise<boolean> {
    const mac = await this.#settings.find(address);
    if (!mac) return false;
    await this.#net.call("firewall:/firewall/permit", { mac, address, mark: 0x1 });
    this.#clients.set(address.toString(), { mac, address, usedBytes: 0, lastActive: this.#net.clock.now() });
    return true;
  }

  // sub idle_timeout
  async #idleTimeout(): Promise<void> {
    const now = this.#net.clock.now();
    const counters = await this.#net.call("firewall:/firewall/counters", {});
    const used = new Map<string, number>();
    const { address, "up-bytes": up, "down-bytes": down } = counters.toObject() as Record<string, number[]>;
    for (const [row, of] of (address ?? []).entries()) {
      used.set(String(of), Number(up?.[row]) + Number(down?.[row]));
    }
    for (const [key, client] of this.#clients) {
      const current = used.get(key) ?? 0;
      if (current !== client.usedBytes) client.lastActive = now;
      client.usedBytes = current;
      if (between(client.lastActive, now) > this.#settings.idle) await this.#logOut(key, client);
    }
  }

  // "the same as the login function, with -D instead of -I"
  async #logOut(key: string, client: Client): Promise<void> {
    await this.#net.call("firewall:/firewall/revoke", { mac: client.mac, address: client.address });
    this.#clients.delete(key);
  }
}

if (import.meta.main) {
  const { node, offerObjects } = await import("#app/metanet.ts");
  const { LinuxNeighbours } = await import("#linux/neighbours.ts");
  const net = await node("paper-portal");
  offerObjects(net);
  const neighbours = new LinuxNeighbours({ interface: process.argv[2] ?? "lan0" });
  const port = await new PaperPortal(net, {
    port: 5280,
    idle: seconds(600),
    interval: seconds(5),
    find: (address) => neighbours.find(address),
  }).start();
  process.stdout.write(`The paper's portal listens on port ${port}; end it with Ctrl-C.\n`);
}
