/**
 * One machine of the lab: a network namespace with its own name server file. A sleeping keeper holds a private
 * mount namespace in which /etc/resolv.conf, /etc/hosts and /etc/nsswitch.conf are the lab's files, so that
 * nothing of the real machine's is ever written.
 * @module
 */
import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { UnavailableError } from "#base/errors.ts";
import { seconds } from "#base/time.ts";
import { type RunOptions, type RunResult, run } from "./command-line.ts";
import { LabProcess } from "./lab-process.ts";

const KEEPER = ["sleep", "infinity"] as const;
const KEEPER_START = seconds(10);

/** A machine of the lab could not be made. */
export class LabHostError extends UnavailableError {
  override readonly code: string = "lab-host";
}

export interface HostOptions {
  /** What people call it: `client1`. */
  readonly name: string;
  /** The name below /run/netns. */
  readonly namespace: string;
  /** The host's own folder; must exist. */
  readonly folder: string;
  /** Marks every program of this lab in the process table. */
  readonly labId: string;
}

export class LabHost {
  readonly name: string;
  readonly namespace: string;
  readonly folder: string;
  readonly #labId: string;
  readonly #keeper: LabProcess;
  readonly #processes = new Set<LabProcess>();
  #closed = false;

  /**
   * Makes the namespace, its loopback interface and its private files.
   * @throws CommandFailedError, LabHostError
   */
  static async make(options: HostOptions): Promise<LabHost> {
    const fix = "Network namespaces need root or a user namespace; `metanet doctor` says which is missing.";
    await run("ip", ["netns", "add", options.namespace], { fix });
    let keeper: LabProcess | undefined;
    try {
      await run("ip", ["-n", options.namespace, "link", "set", "lo", "up"], { fix });
      keeper = await LabProcess.start({
        name: `${options.name} keeper`,
        command: "ip",
        args: ["netns", "exec", options.namespace, ...KEEPER],
        logFile: join(options.folder, "keeper.log"),
        env: { METANET_LAB: options.labId },
      });
      await keeperReady(keeper);
      const host = new LabHost(options, keeper);
      await host.#privateFiles();
      return host;
    } catch (error) {
      // Nobody else knows of this host yet, so nobody else would end it.
      await keeper?.stop();
      await removeNamespace(options.namespace);
      throw error;
    }
  }

  private constructor(options: HostOptions, keeper: LabProcess) {
    this.name = options.name;
    this.namespace = options.namespace;
    this.folder = options.folder;
    this.#labId = options.labId;
    this.#keeper = keeper;
  }

  /** The file that programs on this host see as /etc/resolv.conf. */
  get resolvConf(): string {
    return join(this.folder, "resolv.conf");
  }

  /** Runs a program on this host to its end. */
  run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run("nsenter", this.#inside(command, args), { ...options, env: this.#environment(options.env) });
  }

  /** Starts a program on this host that is stopped with it. */
  async start(
    name: string,
    command: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<LabProcess> {
    const started = await LabProcess.start({
      name: `${this.name} ${name}`,
      command: "nsenter",
      args: this.#inside(command, args),
      logFile: join(this.folder, `${name.replaceAll(/[^a-z0-9]+/gi, "-")}.log`),
      env: this.#environment(env),
    });
    this.#processes.add(started);
    // The lab may have been stopped while the program came up: nobody would stop it later.
    if (this.#closed) await started.stop();
    void started.ended().then(() => this.#processes.delete(started));
    return started;
  }

  /** Runs `ip` in the host's namespace. */
  ip(...args: readonly string[]): Promise<RunResult> {
    return run("ip", ["-n", this.namespace, ...args]);
  }

  /** Sets a kernel setting of the host, such as `net.ipv4.ip_forward`. */
  sysctl(setting: string, value: string): Promise<RunResult> {
    return this.run("sysctl", ["-q", "-w", `${setting}=${value}`]);
  }

  /** Stops what {@link LabHost.start} started and is still running, the youngest first; nothing starts any more. */
  async stopProcesses(): Promise<void> {
    this.#closed = true;
    for (const process of [...this.#processes].reverse()) await process.stop();
  }

  /** Stops everything on the host and removes its namespace. */
  async remove(): Promise<void> {
    await this.stopProcesses();
    await this.#keeper.stop();
    await removeNamespace(this.namespace);
  }

  #inside(command: string, args: readonly string[]): string[] {
    // --root: a changed root folder (chroot) would otherwise be left on entering the mount namespace.
    return ["--target", String(this.#keeper.pid), "--net", "--mount", "--root", "--", command, ...args];
  }

  #environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    return { METANET_LAB: this.#labId, HOME: this.folder, TMPDIR: this.folder, ...extra };
  }

  async #privateFiles(): Promise<void> {
    const files = {
      "resolv.conf": "",
      hosts: "127.0.0.1 localhost\n::1 localhost\n",
      "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    };
    for (const [name, text] of Object.entries(files)) {
      const file = join(this.folder, name);
      writeFileSync(file, text);
      if (!existsSync(`/etc/${name}`)) continue;
      await this.run("mount", ["--bind", file, `/etc/${name}`], {
        fix: "The lab gives each of its machines its own name server file by a bind mount.",
      });
    }
  }
}

/** Kills every process in a network namespace and removes its name. */
export async function removeNamespace(namespace: string): Promise<void> {
  const inside = await run("ip", ["netns", "pids", namespace], { accept: "any" });
  for (const pid of inside.stdout.split(/\s+/).filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // Ended in the meantime.
    }
  }
  await run("ip", ["netns", "delete", namespace], { accept: [0, 1] });
}

/**
 * Waits until `ip netns exec` has become the keeper: before that the process is still in the real machine's mount
 * namespace, and a bind mount made there would change the real /etc.
 */
async function keeperReady(keeper: LabProcess): Promise<void> {
  const deadline = Date.now() + KEEPER_START;
  while (keeper.exit === undefined && Date.now() < deadline) {
    const command = readFileSync(`/proc/${keeper.pid}/cmdline`, "utf8");
    if (command === `${KEEPER.join("\0")}\0`) {
      const own = readlinkSync("/proc/self/ns/mnt");
      if (readlinkSync(`/proc/${keeper.pid}/ns/mnt`) !== own) return;
      throw new LabHostError(
        `Cannot make ${keeper.name}: \`ip netns exec\` gave it no mount namespace of its own`,
      );
    }
    await pause(5);
  }
  throw new LabHostError(
    `Cannot make ${keeper.name}: ${keeper.exit ?? "it did not start in time"}; it printed "${keeper.tail()}"`,
  );
}
