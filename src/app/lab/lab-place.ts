/**
 * Where one lab keeps its things: a working folder with a short path (Unix socket names end at 107 bytes), and a
 * folder for what people look at afterwards (screenshots, transcript, logs). Both carry the lab's number, which is
 * the process id of the lab, so that a later lab can tell which folders nobody owns any more.
 * @module
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ConfigurationError } from "#base/errors.ts";

/** Labs whose screenshots and logs are kept; the oldest goes first. */
export const KEPT_LAB_COUNT_MAX: number = 10;

/** sun_path holds 108 bytes with its closing zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;
/** The longest socket name the gateway makes in its run folder, with room for a listener's name. */
const SOCKET_NAME_BYTES = 40;

const WORK_PREFIX = "metanet-lab-";

export interface LabPlace {
  /** Process id of the lab, as decimal digits. */
  readonly id: string;
  /** Working folder, removed at the end. */
  readonly work: string;
  /** The gateway's run folder: METANET_RUN for everyone who talks to it. */
  readonly run: string;
  /** The gateway's state folder: leases and sessions. */
  readonly state: string;
  /** Screenshots, transcript and, after a failure, logs; kept. */
  readonly kept: string;
}

/**
 * Makes the folders of a lab.
 * @throws ConfigurationError when the temporary folder cannot be used
 */
export function makePlace(id: string): LabPlace {
  const work = join(tmpdir(), `${WORK_PREFIX}${id}`);
  const run = join(work, "run");
  const lengthBytes = Buffer.byteLength(run) + 1 + SOCKET_NAME_BYTES;
  if (lengthBytes > SOCKET_PATH_BYTES_MAX) {
    throw new ConfigurationError(
      `Cannot make the lab: sockets in "${run}" would have paths of ${lengthBytes} bytes, ` +
        `and the system allows ${SOCKET_PATH_BYTES_MAX}. Set TMPDIR to a folder with a shorter path`,
    );
  }
  // Under another name until it says whose it is, so that a lab that starts now does not take it for abandoned.
  const draft = mkdtempSync(join(tmpdir(), "metanet-draft-"));
  writeFileSync(join(draft, "owner"), `${ownerStamp()}\n`);
  chmodSync(draft, 0o755);
  renameSync(draft, work);
  const kept = keptFolder(id);
  return { id, work, run, state: join(work, "state"), kept };
}

export function removePlace(place: LabPlace): void {
  rmSync(place.work, { recursive: true, force: true });
}

/**
 * The process that owns a lab, as number and start time. A lab in its own process namespace has another number
 * inside than outside, so the process outside says it in METANET_LAB_OWNER.
 */
export function ownerStamp(): string {
  return process.env.METANET_LAB_OWNER ?? `${process.pid} ${startTime(process.pid)}`;
}

/** Working folders in the temporary folder whose lab is not running any more, with the lab's number. */
export function abandonedPlaces(): { readonly id: string; readonly folder: string }[] {
  return readdirSync(tmpdir())
    .filter((name) => /^metanet-lab-\d+$/.test(name))
    .map((name) => ({ id: name.slice(WORK_PREFIX.length), folder: join(tmpdir(), name) }))
    .filter(({ folder }) => statSync(folder, { throwIfNoEntry: false })?.uid === process.getuid?.())
    .filter(({ folder }) => !ownerRuns(folder));
}

/** Whether the process that wrote `owner` still runs; its start time tells it from a later one with its number. */
function ownerRuns(folder: string): boolean {
  try {
    const [pid = "", started = ""] = readFileSync(join(folder, "owner"), "utf8").trim().split(" ");
    return started !== "" && startTime(Number(pid)) === started;
  } catch {
    return false;
  }
}

/** When a process started, in clock ticks since boot (proc(5), field 22 of stat); empty when there is none. */
export function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** `.cache/lab/ID` of a checkout, else the user's cache folder, else the temporary folder. */
function keptFolder(id: string): string {
  const checkout = checkoutFolder();
  const roots = [
    ...(checkout ? [join(checkout, ".cache", "lab")] : []),
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "metanet", "lab"),
    join(tmpdir(), `metanet-kept-${process.getuid?.() ?? 0}`),
  ];
  for (const root of roots) {
    try {
      mkdirSync(root, { recursive: true });
      accessSync(root, constants.W_OK);
      prune(root);
      const folder = join(root, id);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      return folder;
    } catch {
      // Read-only or not ours: the next one.
    }
  }
  throw new ConfigurationError(
    `Cannot keep the lab's screenshots: none of ${roots.join(", ")} can be written`,
  );
}

/** The folder of the source checkout this file runs from, if it is one. */
function checkoutFolder(): string | undefined {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) return folder;
  }
  return undefined;
}

function prune(root: string): void {
  const age = (name: string): number => statSync(join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const names = readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .sort((left, right) => age(right) - age(left));
  for (const name of names.slice(KEPT_LAB_COUNT_MAX - 1)) {
    rmSync(join(root, name), { recursive: true, force: true });
  }
}
