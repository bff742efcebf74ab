/**
 * Finds what labs left that were killed before they could clean up (namespaces, processes in them, working
 * folders), and removes it. A lab whose process still runs is never touched.
 * @module
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeNamespace } from "./lab-host.ts";
import { abandonedPlaces, startTime } from "./lab-place.ts";

const NAMESPACES = "/run/netns";
const NAMESPACE_NAME = /^mn(\d+)-[a-z0-9]+$/;

/** What was removed. */
export interface Leftovers {
  readonly namespaces: readonly string[];
  readonly folders: readonly string[];
}

/** The name below /run/netns of a lab's host. */
export function namespaceName(labId: string, host: string): string {
  return `mn${labId}-${host}`;
}

/** Namespaces of the lab with this number that exist now. */
export function namespacesOf(labId: string): string[] {
  return allNamespaces().filter((name) => NAMESPACE_NAME.exec(name)?.[1] === labId);
}

/** A machine of a lab, by its parts. */
export interface LabNamespace {
  readonly namespace: string;
  readonly labId: string;
  readonly host: string;
}

/** The machines of all labs that there are now. */
export function labNamespaces(): LabNamespace[] {
  return allNamespaces().flatMap((namespace) => {
    const labId = NAMESPACE_NAME.exec(namespace)?.[1];
    return labId === undefined ? [] : [{ namespace, labId, host: namespace.slice(`mn${labId}-`.length) }];
  });
}

/** Removes what dead labs left; needs to run where their processes are visible. */
export async function removeLeftovers(): Promise<Leftovers> {
  const abandoned = abandonedPlaces();
  const dead = new Set(abandoned.map(({ id }) => id));
  const namespaces = allNamespaces().filter((name) => {
    const id = NAMESPACE_NAME.exec(name)?.[1];
    return id !== undefined && (dead.has(id) || ownerless(id));
  });
  for (const name of namespaces) await removeNamespace(name);
  for (const { folder } of abandoned) rmSync(folder, { recursive: true, force: true });
  return { namespaces, folders: abandoned.map(({ folder }) => folder) };
}

/** A lab without a working folder belongs to nobody when no process has its number. */
function ownerless(id: string): boolean {
  return !existsSync(join(tmpdir(), `metanet-lab-${id}`)) && startTime(Number(id)) === "";
}

function allNamespaces(): string[] {
  return existsSync(NAMESPACES) ? readdirSync(NAMESPACES) : [];
}
