/**
 * The scripted story of `metanet lab --once`: real clients get addresses, are held, log in, surf, are counted, and
 * find the door shut again; a listener decides an address, dies in the middle, and nobody waits for it.
 * @module
 */
import { CLIENTS, GATEWAY, INTERNET } from "./address-plan.ts";
import type { GatewayOptions } from "./gateway.ts";
import type { Lab } from "./lab.ts";
import { insideUserNamespace } from "./rootless.ts";
import { doorSteps } from "./story-door.ts";
import { leaseSteps } from "./story-lease.ts";
import { portalSteps } from "./story-portal.ts";
import type { Step } from "./transcript.ts";

/** How long a client may be silent in the story; the portal's smallest useful value. */
export const STORY_IDLE: string = "5s";

/** Every step of the story except the clean-up, in order. */
export function storySteps(lab: Lab, options: GatewayOptions): Step[] {
  return [buildStep(lab), upStep(lab, options), ...leaseSteps(lab), ...portalSteps(lab), ...doorSteps(lab)];
}

function buildStep(lab: Lab): Step {
  return {
    key: "build",
    title: "The lab is built: an internet, a gateway, three clients on a bridge",
    run: async (log) => {
      await lab.build(CLIENTS);
      const { internet, gateway, clients } = lab.topology;
      const names = [internet, gateway, ...clients.values()].map((host) => host.namespace);
      log.saw(`namespaces ${names.join(", ")}`);
      log.saw(
        `web server ${INTERNET.organisation.four} and ${INTERNET.organisation.six}, ping, TCP and names answer`,
      );
      if (!insideUserNamespace()) log.saw(`look inside with: ip netns exec ${names[2]} ip address`);
    },
  };
}

function upStep(lab: Lab, options: GatewayOptions): Step {
  return {
    key: "up",
    title: `MetaNet starts on the gateway, ${options.single ? "all in one process" : "a process per service"}`,
    needs: ["build"],
    run: async (log) => {
      const single = options.single ? ["--single"] : [];
      log.did("gateway", "metanet", ["up", `${lab.place.work}/gateway.yaml`, ...single]);
      const { services } = await lab.up(options);
      const listed = services.map(({ name, pid }) => `${name} (process ${pid})`).join(", ");
      log.saw(`running: ${listed}`);
      log.saw(`clients are on ${GATEWAY.subnet.four} and ${GATEWAY.subnet.six}`);
    },
  };
}
