/**
 * The part of the story about addresses: the pool for one client, a listener's decision for another, and a
 * listener that dies while a third one's look-up is parked at it.
 * @module
 */
import { milliseconds, seconds } from "#base/time.ts";
import { CLIENTS, type ClientPlan, GATEWAY, LISTENER_ADDRESS } from "./address-plan.ts";
import { type ClientState, DhcpClient } from "./dhcp-client.ts";
import type { Lab } from "./lab.ts";
import type { LabProcess } from "./lab-process.ts";
import type { LookupOrder } from "./lookup-order.ts";
import { scriptArguments } from "./script-arguments.ts";
import type { Step, StepLog } from "./transcript.ts";

/** From the listener's death to the third client's lease; a client's own patience is about 3 s. */
const AFTER_DEATH_MAX = milliseconds(1000);

const [FIRST, SECOND, THIRD] = CLIENTS;

export function leaseSteps(lab: Lab): Step[] {
  let listener: LabProcess | undefined;
  const directory = (): LabProcess => {
    if (!listener) throw new TypeError("Cannot use the listener: it was not started");
    return listener;
  };
  return [
    {
      key: "lease1",
      title: `${FIRST.name} gets an address from the pool with ${FIRST.program}`,
      needs: ["up"],
      run: async (log) => {
        const state = await lease(lab, FIRST, log);
        log.must(inPool(state.address), `${state.address} is in the pool`);
      },
    },
    {
      key: "listener",
      title: "A listener from another process is put in front of dhcpd:/dhcpd/lookup",
      needs: ["up"],
      run: async (log) => {
        const order: LookupOrder = { decide: { [SECOND.mac]: LISTENER_ADDRESS }, hold: [THIRD.mac] };
        listener = await startListener(lab, order);
        log.saw(`process ${listener.pid} listens: ${SECOND.mac} shall have ${LISTENER_ADDRESS}`);
      },
    },
    {
      key: "lease2",
      title: `${SECOND.name} gets the listener's address with ${SECOND.program}`,
      needs: ["listener"],
      run: async (log) => {
        const state = await lease(lab, SECOND, log);
        const decided = await directory().line(/^decided /, seconds(1));
        log.saw(`the listener said: ${decided}`);
        log.must(state.address?.startsWith(`${LISTENER_ADDRESS}/`) ?? false, `it has ${LISTENER_ADDRESS}`);
      },
    },
    {
      key: "lease3",
      title: `The listener is killed while it holds ${THIRD.name}'s look-up; the pool answers`,
      needs: ["listener"],
      run: async (log) => {
        const waiting = lease(lab, THIRD, log);
        const held = directory().line(/^holding /, seconds(15));
        // Only one of the two is awaited first; the other's failure must not end the process meanwhile.
        for (const either of [waiting, held]) either.catch(() => {});
        const first = await Promise.race([waiting, held]);
        log.must(first === `holding ${THIRD.mac}`, `the listener holds the look-up of ${THIRD.mac}`);
        log.did("gateway", "kill", ["-9", String(directory().pid)]);
        directory().kill("SIGKILL");
        const killedAt = performance.now();
        const state = await waiting;
        const took = Math.round(performance.now() - killedAt);
        log.must(inPool(state.address), `${state.address} is in the pool`);
        log.must(
          took <= AFTER_DEATH_MAX,
          `it had its lease ${took} ms after the kill (at most ${AFTER_DEATH_MAX})`,
        );
      },
    },
  ];
}

async function startListener(lab: Lab, order: LookupOrder): Promise<LabProcess> {
  const args = [...scriptArguments("lookup-listener"), JSON.stringify(order)];
  const env = { METANET_RUN: lab.place.run };
  const started = await lab.topology.gateway.start("listener", process.execPath, args, env);
  await started.line(/^attached$/, seconds(15));
  return started;
}

/** Runs the client's program and checks what its kernel and its files say afterwards. */
async function lease(lab: Lab, plan: ClientPlan, log: StepLog): Promise<ClientState> {
  const client = new DhcpClient(lab.client(plan.name), plan.program);
  log.did(plan.name, client.command.command, client.command.args);
  const startedAt = performance.now();
  const state = await client.start();
  const took = Math.round(performance.now() - startedAt);
  log.saw(`${state.address} after ${took} ms, router ${state.router}, DNS ${state.nameServers.join(" ")}`);
  log.must(state.router === GATEWAY.inside.four, `its default route leads to ${GATEWAY.inside.four}`);
  log.must(
    state.nameServers.includes(GATEWAY.inside.four),
    `its own /etc/resolv.conf names ${GATEWAY.inside.four}`,
  );
  return state;
}

function inPool(address: string | undefined): boolean {
  const last = Number(/^10\.77\.0\.(\d+)\//.exec(address ?? "")?.[1] ?? 0);
  const bound = (end: string): number => Number(end.split(".")[3]);
  return last >= bound(GATEWAY.pool.from) && last <= bound(GATEWAY.pool.to);
}
