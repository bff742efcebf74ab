/**
 * DHCP exchanges per second, every lease on disk before its ACK, against Kea with its lease file, in the same run:
 * ISC's perfdhcp raises its rate until 2.5 % of the replies do not come within a second.
 * @module
 */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { DhcpLab, labProblem } from "../test/lab/dhcp-lab.ts";
import { median, type Row } from "./measure.ts";

const run = promisify(execFile);

const ROUND_COUNT = 3;
const STEP_SECONDS = 3;
/** Exchanges per second offered, one after the other. */
const RATES = [1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 10_000, 12_000, 14_000];
const LOST_PART_MAX = 0.025;
const POOL: [string, string] = ["10.1.0.0", "10.20.255.255"];

/** Empty where root or one of the programs is missing: there is nothing to compare with. */
export async function dhcpdRows(): Promise<Row[]> {
  const problem = labProblem("perfdhcp", "kea-dhcp4");
  if (problem !== false) {
    process.stderr.write(`dhcpd: left out, ${problem}\n`);
    return [];
  }
  const ours: number[] = [];
  const kea: number[] = [];
  for (let round = 0; round < ROUND_COUNT; round++) {
    kea.push(await knee(startKea));
    ours.push(
      await knee((lab) =>
        lab.serve({ server: "10.0.0.1", subnet: "10.0.0.0/8", pool: POOL, leaseMilliseconds: 3_600_000 }),
      ),
    );
  }
  const ratio = median(ours.map((rate, round) => rate / (kea[round] ?? Number.NaN)));
  return [
    {
      what: "DHCP exchanges, persisted",
      ours: perSecond(median(ours)),
      peer: `Kea ${perSecond(median(kea))}`,
      ratio,
      target: ">= 0.50 x",
      met: ratio >= 0.5,
    },
  ];
}

/** The most exchanges per second that were completed at a rate at which no more than 2.5 % were lost. */
async function knee(start: (lab: DhcpLab) => Promise<void>): Promise<number> {
  let best = 0;
  for (const rate of RATES) {
    const lab = new DhcpLab();
    try {
      lab.ip("server", "address", "add", "10.0.0.1/8", "dev", "eth0");
      lab.ip("client", "address", "add", "10.0.0.2/8", "dev", "eth0");
      await start(lab);
      const { offered, completed } = await offer(lab, rate);
      if (completed / offered < 1 - LOST_PART_MAX) return Math.max(best, 1);
      best = completed / STEP_SECONDS;
    } finally {
      await lab.remove();
    }
  }
  return best;
}

async function offer(lab: DhcpLab, rate: number): Promise<{ offered: number; completed: number }> {
  const words = ["-4", "-l", "10.0.0.2", "-r", `${rate}`, "-R", "1000000", "-p", `${STEP_SECONDS}`];
  const child = lab.start("client", ["perfdhcp", ...words, "-s", "7", "-W", "1000000", "10.0.0.1"], true);
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  await once(child, "close");
  const offered = Number(/sent packets: (\d+)/.exec(text)?.[1]);
  const completed = Number([...text.matchAll(/received packets: (\d+)/g)].at(-1)?.[1]);
  if (!(offered > 0)) throw new Error(`Cannot measure DHCP: perfdhcp said '${text.slice(0, 200)}'`);
  return { offered, completed };
}

async function startKea(lab: DhcpLab): Promise<void> {
  const file = join(lab.folder, "kea.json");
  const leases = { type: "memfile", persist: true, name: join(lab.folder, "leases.csv"), "lfc-interval": 0 };
  writeFileSync(
    file,
    JSON.stringify({
      Dhcp4: {
        "interfaces-config": { interfaces: ["eth0"], "dhcp-socket-type": "udp" },
        "lease-database": leases,
        "valid-lifetime": 3600,
        "multi-threading": { "enable-multi-threading": false },
        subnet4: [{ subnet: "10.0.0.0/8", pools: [{ pool: POOL.join("-") }] }],
      },
    }),
  );
  const folders = [`KEA_PIDFILE_DIR=${lab.folder}`, "KEA_LOCKFILE_DIR=none"];
  lab.start("server", ["env", ...folders, "kea-dhcp4", "-c", file]);
  for (let tries = 0; tries < 100; tries++) {
    await pause(50);
    const { stdout } = await run("ss", ["-N", lab.serverNamespace, "-Hlun", "sport = :67"]);
    if (stdout !== "") return;
  }
  throw new Error("Cannot measure DHCP: Kea does not start");
}

function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString("en")}/s`;
}
