/**
 * What every composition root gets: the configuration, a way onto the bus, a folder of its own, a log, and the
 * moment at which root's powers go.
 * @module
 */
import { chownSync, lchownSync, mkdirSync, readdirSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import type { Logger } from "pino";
import { ConfigurationError } from "#base/errors.ts";
import type { Contract } from "#contract/contract.ts";
import { gidOf, uidOf } from "#linux/accounts.ts";
import { dropPrivileges, identityAfterDrop, type KeptCapabilities } from "#linux/privileges.ts";
import { type ReservedSocket, reserveSocket } from "#linux/reserved-socket.ts";
import { OrderPolicy } from "#mailbox/order-policy.ts";
import { orderRulesOf, rightsRulesOf } from "../config/access.ts";
import type { Configuration } from "../config/schema.ts";
import { SERVICE_NAMES, type ServiceName } from "../config/service-options.ts";
import { type Node, type ServiceNodeOptions, serviceNode } from "../node.ts";
import { makeSystemRunDirectory } from "../run-directory.ts";

export interface ServiceContext {
  readonly name: ServiceName;
  readonly configuration: Configuration;
  /** The run directory. */
  readonly run: string;
  /** Every service is in this process, which keeps its powers. */
  readonly single: boolean;
  readonly logger: Logger;
}

/** Says how to take back what a composition root has just opened or started; the last is taken back first. */
export type AtEnd = (undo: () => void | Promise<void>) => void;

export interface RunningService {
  /** Ends it in order: nothing acknowledged is lost, and what is in the kernel stays there. */
  stop(): Promise<void>;
}

/** Takes one line for the log, as the services hand it over. */
export type ServiceLog = (
  level: "info" | "warn" | "error",
  text: string,
  fields: Readonly<Record<string, unknown>>,
) => void;

/** A service's log, into ours. */
export function logOf({ logger }: ServiceContext): ServiceLog {
  return (level, text, fields) => {
    // Addresses print themselves; errors have to be asked.
    const shown = Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error ? value.message : value,
    ]);
    logger[level](Object.fromEntries(shown), text);
  };
}

/** How a service joins the bus, where it is not as the others do. */
export interface JoinOptions {
  /** What it keeps of root's powers. */
  readonly kept?: KeptCapabilities;
  /** Besides whom `rights` names, only root may use its mailboxes, and not the services' user. */
  readonly forRootOnly?: boolean;
  /** Mailboxes to which the other services may send even so. */
  readonly servicesMay?: readonly string[];
}

/**
 * Gives up root's powers for good, before the first byte is read from the network, and joins the bus. The socket is
 * made before, in a folder where the user may make nothing, and opened after, so that nobody takes it for root's.
 * @throws ConfigurationError and the like as {@link serviceNode}.
 */
export async function joinAsUser(
  context: ServiceContext,
  contracts: readonly Contract[],
  options: JoinOptions = {},
): Promise<Node> {
  const { name, run } = context;
  const drops = !context.single && process.geteuid?.() === 0;
  const access = accessTo(context);
  let reserved: ReservedSocket | undefined;
  if (drops) {
    const [uid, gid] = ownerOf(context);
    makeSystemRunDirectory(run);
    reserved = await reserveSocket(join(run, name), { ...access.socket, uid, gid });
  }
  becomeUser(context, options.kept);
  const owner = options.forRootOnly ? { owner: ROOT } : {};
  const { uid } = identityAfterDrop(context.configuration.user);
  const granted = (options.servicesMay ?? []).map(
    (prefix) => ({ prefix, may: ["send"], uids: [uid] }) as const,
  );
  const rights = [...access.rights, ...granted];
  return await serviceNode(name, { directory: run, contracts, ...access, rights, ...owner, reserved });
}

/** What the operator's configuration says of who may do what with a service, and in which order. */
export function accessTo({ name, configuration }: ServiceContext): Access {
  const accounts = { uidOf, gidOf };
  const rights = rightsRulesOf(configuration, name, accounts);
  const { uid } = identityAfterDrop(configuration.user);
  return {
    rights,
    order: new OrderPolicy(orderRulesOf(configuration, name)),
    // The kernel keeps strangers out where no rule lets them in.
    socket: { mode: rights.length > 0 ? 0o666 : 0o600 },
    names: Object.fromEntries(SERVICE_NAMES.map((service) => [service, service === "firewall" ? 0 : uid])),
    fix: (right, path, peer) =>
      `write ${name}:${path}: { ${right}: { users: [${peer.uid}] } } below \`rights:\` in the configuration`,
  };
}

type Access = Required<Pick<ServiceNodeOptions, "rights" | "order" | "socket" | "names" | "fix">>;

const ROOT = 0;

function becomeUser(context: ServiceContext, kept: KeptCapabilities | undefined): void {
  if (context.single || process.geteuid?.() !== 0) return;
  const { user } = context.configuration;
  // The user could not write there at the end.
  flushCompileCache();
  const outcome = dropPrivileges(user, kept);
  const but = kept ? { kept: kept.own } : {};
  context.logger.info(
    { user, outcome, ...but },
    kept ? "runs with few of root's powers" : "runs without root's powers",
  );
}

/**
 * The service's own folder below the state folder, made when it is not there, owned by who will use it.
 * @throws ConfigurationError when it cannot be made.
 */
export function stateFolder(context: ServiceContext): string {
  const folder = join(context.configuration.state, context.name);
  try {
    // Each service's own folder is closed to others; the one above must let every service's user through.
    mkdirSync(context.configuration.state, { recursive: true, mode: 0o755 });
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const fix = "make it, or name another folder as `state:` in the configuration";
    throw new ConfigurationError(`Cannot make ${folder}: ${String(cause)}; ${fix}`, { cause });
  }
  if (process.geteuid?.() === 0) chownSync(folder, ...ownerOf(context));
  return folder;
}

/** Gives files that root made to the user, who opens them when the services next run apart. */
export function giveToUser(context: ServiceContext, folder: string): void {
  if (!context.single || process.geteuid?.() !== 0) return;
  for (const name of readdirSync(folder)) lchownSync(join(folder, name), ...ownerOf(context));
}

/** Who will use what root makes now; `undefined` when that is this process as it is. */
export function ownerAfterDrop(context: ServiceContext): [uid: number, gid: number] | undefined {
  return context.single || process.geteuid?.() !== 0 ? undefined : ownerOf(context);
}

function ownerOf({ configuration }: ServiceContext): [uid: number, gid: number] {
  const { uid, gid } = identityAfterDrop(configuration.user);
  return [uid, gid];
}
