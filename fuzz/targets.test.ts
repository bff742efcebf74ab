import { describe, it } from "node:test";
import { configuration } from "./configuration.ts";
import { conntrack } from "./conntrack.ts";
import { dhcp4 } from "./dhcp4.ts";
import { filter } from "./filter.ts";
import { flow } from "./flow.ts";
import { flowCaptures } from "./flow-captures.ts";
import { flowInline } from "./flow-inline.ts";
import { handover } from "./handover.ts";
import { jsonLines } from "./json-lines.ts";
import { layers } from "./layers.ts";
import { link } from "./link.ts";
import { netlink } from "./netlink.ts";
import { nfqueue } from "./nfqueue.ts";
import { packet } from "./packet.ts";
import { pcap } from "./pcap.ts";
import { stream } from "./stream.ts";
import { play, type Target } from "./target.ts";
import { webClient } from "./web-client.ts";

const seed = Date.now() % 1e9;

function briefly<Input>(target: Target<Input>): void {
  it(`${target.name}: ${target.invariant}`, async (context) => {
    context.diagnostic(`node fuzz/${target.name}.ts ${seed} ${target.testRounds}`);
    await play(target, seed, target.testRounds);
  });
}

describe("garbage", () => {
  briefly(configuration);
  briefly(conntrack);
  briefly(dhcp4);
  briefly(filter);
  briefly(flow);
  briefly(flowCaptures);
  briefly(flowInline);
  briefly(handover);
  briefly(jsonLines);
  briefly(layers);
  briefly(link);
  briefly(netlink);
  briefly(packet);
  briefly(nfqueue);
  briefly(pcap);
  briefly(stream);
  briefly(webClient);
});
