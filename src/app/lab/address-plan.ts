/**
 * Who has which address in the lab: documentation ranges for the "internet" (RFC 5737, RFC 3849), private ones for
 * the clients, so that nothing here can be mistaken for a real host.
 * @module
 */

/** The machine that plays the rest of the world. */
export const INTERNET = {
  router: { four: "203.0.113.1", six: "2001:db8:113::1" },
  name: { four: "198.51.100.53", six: "2001:db8:51::53" },
  organisation: { four: "198.51.100.80", six: "2001:db8:51::80" },
  company: { four: "198.51.100.81", six: "2001:db8:51::81" },
} as const;

/** The gateway: one foot in the internet, one among the clients. */
export const GATEWAY = {
  outside: { four: "203.0.113.2", six: "2001:db8:113::2", fourBits: 24, sixBits: 64 },
  inside: { four: "10.77.0.1", six: "2001:db8:77::1", fourBits: 24, sixBits: 64 },
  subnet: { four: "10.77.0.0/24", six: "2001:db8:77::/64" },
  pool: { from: "10.77.0.100", to: "10.77.0.199" },
  portalPort: 5280,
  domain: "lab.example",
} as const;

/** Outside the pool: the address that the story's listener decides for the second client. */
export const LISTENER_ADDRESS: string = "10.77.0.42";

/** Host names that the lab's name server knows, by the web server's address. */
export const WEB_NAMES: Readonly<Record<"organisation" | "company", readonly string[]>> = {
  organisation: ["example.org"],
  company: ["example.com"],
};

/** A TCP port on the web server besides 80, to show that not only web traffic is held. */
export const ECHO_PORT: number = 7007;

/** What a client of the lab is called and which hardware address its interface has (locally administered). */
export interface ClientPlan {
  readonly name: string;
  readonly mac: string;
  readonly program: "dhclient" | "udhcpc";
}

export const CLIENTS: readonly [ClientPlan, ClientPlan, ClientPlan] = [
  { name: "client1", mac: "02:4d:4e:00:00:01", program: "dhclient" },
  { name: "client2", mac: "02:4d:4e:00:00:02", program: "udhcpc" },
  { name: "client3", mac: "02:4d:4e:00:00:03", program: "udhcpc" },
];

/** The client behind whose address the user's own browser sits in the interactive lab. */
export const VISITOR: ClientPlan = { name: "visitor", mac: "02:4d:4e:00:00:0f", program: "udhcpc" };
