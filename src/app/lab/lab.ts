/**
 * One lab from its first namespace to its last trace: builds the machines, starts what runs on them, and removes
 * everything again, whatever happened in between.
 * @module
 */
import { cpSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { UnavailableError } from "#base/errors.ts";
import type { ClientPlan } from "./address-plan.ts";
import { type GatewayOptions, type RunningGateway, startGateway } from "./gateway.ts";
import { startInternet, startResolver } from "./internet.ts";
import type { LabHost } from "./lab-host.ts";
import { type LabPlace, makePlace, ownerStamp, removePlace } from "./lab-place.ts";
import { type Leftovers, namespacesOf, removeLeftovers } from "./leftovers.ts";
import { insideUserNamespace } from "./rootless.ts";
import { buildTopology, type Topology } from "./topology.ts";

/** Larger log files are cut off in the kept folder, not copied. */
const KEPT_LOG_BYTES_MAX = 4 * 1024 * 1024;

/** The lab was stopped before it was built. */
export class LabStoppedError extends UnavailableError {
  override readonly code: string = "lab-stopped";
}

export class Lab {
  readonly place: LabPlace;
  readonly #hosts: LabHost[] = [];
  #topology: Topology | undefined;
  #gateway: RunningGateway | undefined;
  #pending: Promise<unknown> = Promise.resolve();
  #removal: Promise<string[]> | undefined;
  #closed = false;

  /** Takes a number and makes the folders; what labs that were killed left is removed first. */
  static async open(): Promise<{ lab: Lab; leftovers: Leftovers }> {
    // Inside a user namespace other labs' processes cannot be seen, so nobody can be called dead there.
    const leftovers = insideUserNamespace() ? { namespaces: [], folders: [] } : await removeLeftovers();
    return { lab: new Lab(makePlace(ownerStamp().split(" ")[0] ?? "")), leftovers };
  }

  private constructor(place: LabPlace) {
    this.place = place;
  }

  get topology(): Topology {
    if (!this.#topology) throw new TypeError("Cannot use the lab's machines: build() has not finished");
    return this.#topology;
  }

  get gateway(): RunningGateway {
    if (!this.#gateway) throw new TypeError("Cannot use the lab's gateway: up() has not finished");
    return this.#gateway;
  }

  /** The client called `name`. */
  client(name: string): LabHost {
    const host = this.topology.clients.get(name);
    if (!host) throw new TypeError(`Cannot find "${name}" among the lab's clients`);
    return host;
  }

  /** Machines, wires, the internet's servers and the gateway's resolver. */
  async build(clients: readonly ClientPlan[]): Promise<void> {
    await this.#track(async () => {
      this.#topology = await buildTopology(this.place, clients, (host) => this.#made(host));
      await startInternet(this.#topology.internet);
      await startResolver(this.#topology.gateway);
    });
  }

  /** MetaNet on the gateway. */
  async up(options: GatewayOptions): Promise<RunningGateway> {
    return this.#track(async () => {
      this.#gateway = await startGateway(this.topology.gateway, this.place, options);
      return this.#gateway;
    });
  }

  /** Copies every log of the lab into the kept folder. */
  keepLogs(): void {
    for (const entry of readdirSync(this.place.work, { recursive: true, encoding: "utf8" })) {
      if (!/\.(log|yaml|conf|json)$/.test(entry)) continue;
      const file = join(this.place.work, entry);
      if (statSync(file, { throwIfNoEntry: false })?.isFile() && statSync(file).size <= KEPT_LOG_BYTES_MAX) {
        cpSync(file, join(this.place.kept, entry.replaceAll("/", "-")));
      }
    }
  }

  /**
   * Stops the gateway the way an operator does, then everything else, and removes namespaces and folders. What
   * could not be removed is returned; nothing is thrown, so that every part gets its turn. Asking again waits for
   * the same removal.
   */
  remove(): Promise<string[]> {
    this.#removal ??= this.#removeAll();
    return this.#removal;
  }

  async #removeAll(): Promise<string[]> {
    this.#closed = true;
    const troubles: string[] = [];
    const attempt = async (what: string, action: () => Promise<void>): Promise<void> => {
      await action().catch((error: Error) => {
        troubles.push(`${what}: ${error.message}`);
      });
    };
    if (this.#gateway) await attempt("metanet", () => this.gateway.process.stop());
    for (const host of [...this.#hosts].reverse()) await attempt(host.name, () => host.stopProcesses());
    // A build that was interrupted ends soon now, and what it has made by then is removed with the rest.
    await this.#pending.catch(() => {});
    for (const host of this.#hosts.splice(0).reverse()) await attempt(host.name, () => host.remove());
    await attempt("folder", async () => removePlace(this.place));
    return [...troubles, ...namespacesOf(this.place.id).map((name) => `namespace ${name} is still there`)];
  }

  #made(host: LabHost): void {
    this.#hosts.push(host);
    if (this.#closed) throw new LabStoppedError("Cannot build the lab: it was stopped");
  }

  #track<T>(action: () => Promise<T>): Promise<T> {
    const promise = action();
    this.#pending = promise;
    return promise;
  }
}
