/**
 * Looks for headers through others, as `Packet.find` and `Packet.payload` do: a loop over what stands in front of the
 * network layer, and code for each way from there on that can lead to the protocol.
 * @module
 */
import { isTunnelStep } from "#packet/tunnel-step.ts";
import { NESTING_MAX } from "#packet/view.ts";
import type { Value } from "../../ir/ir.ts";
import type { Lowered, LoweredView } from "../lowered.ts";
import type { Lowering } from "../lowering.ts";
import { type AimPlace, aim, announcedBy, isAnnounced, packetView, placeBehind } from "./aim.ts";
import { Attempt, isAmong, load } from "./code.ts";
import { LINKS, type LinkEnd, shareLinks, walkLinks } from "./link.ts";
import type { ProtocolModel } from "./protocol-model.ts";
import { CARRIERS, numbersIn } from "./protocols.ts";

const IPV4_TYPE = 0x0800;
const IPV6_TYPE = 0x86dd;

/** A place of the packet at which a protocol may begin. */
interface Level {
  /** Headers that may be in front of it. */
  readonly outers: readonly string[];
  readonly place: AimPlace;
  /** Headers between the link's and this place. */
  readonly passed: number;
  /** Whether what stands in front announces a protocol; known to be false where it never does. */
  announces(model: ProtocolModel): Value;
  /** Two protocols may be announced at once. */
  readonly isAmbiguous: boolean;
}

/** The view of `packet.payload(protocol)`: the first header, or the first one behind the link's. */
export function payloadOfPacket(lowering: Lowering, model: ProtocolModel): Lowered {
  const numbers = numbersIn(model, "packet");
  if (numbers.length === 0) return { kind: "undefined" };
  if (isBehindLinks(lowering, model)) shareLinks(lowering, model.name, true);
  const attempt = new Attempt(lowering);
  if (beginsPacket(lowering, model)) {
    attempt.found(aim(lowering, attempt, model, placeBehind(lowering, packetView(lowering))));
  } else if (lowering.target.first === "network") {
    attempt.require(beginsWith(lowering, attempt, numbers));
    attempt.found(aim(lowering, attempt, model, placeBehind(lowering, packetView(lowering))));
  } else {
    const link = walkLinks(lowering, attempt, {
      wanted: model.name,
      throughMpls: true,
      countMax: NESTING_MAX,
    });
    attempt.require(link.announces(model));
    attempt.found(aim(lowering, attempt, model, link.place));
  }
  return attempt.conclude();
}

/** Whether it is what every packet begins with here, whatever the number. */
function beginsPacket(lowering: Lowering, model: ProtocolModel): boolean {
  const numbers = numbersIn(model, "packet");
  if (numbers === "any") return true;
  return lowering.target.first === "ethernet" && numbers.includes(-1);
}

/** Whether the link's headers are walked over, before anything else. */
function isBehindLinks(lowering: Lowering, model: ProtocolModel): boolean {
  return lowering.target.first === "ethernet" && !beginsPacket(lowering, model);
}

/** Whether the packet, which begins with an IP header, is announced by one of these EtherTypes. */
function beginsWith(lowering: Lowering, attempt: Attempt, numbers: readonly number[] | "any"): Value {
  if (numbers === "any") return lowering.constant(true);
  const { target } = lowering;
  const wanted = numbers.filter((number) => number === IPV4_TYPE || number === IPV6_TYPE);
  if (target.family !== undefined) {
    return lowering.constant(wanted.includes(target.family === "ipv4" ? IPV4_TYPE : IPV6_TYPE));
  }
  if (wanted.length === 0) return lowering.constant(false);
  return isAmong(lowering, etherTypeOf(lowering, attempt), wanted);
}

/** The EtherType in front of the packet, which the kernel has found but at a driver's place. */
function etherTypeOf(lowering: Lowering, attempt: Attempt): Value {
  if (lowering.target.attach === "xdp") {
    const pointer = attempt.open(lowering.constant(0), lowering.packetStart, "header");
    return load(lowering, pointer, lowering.packetStart - 2, 2);
  }
  const { builder, place } = lowering;
  const result = builder.value("integer");
  builder.append({ op: "fact", place, result, fact: "etherType" });
  return result;
}

/** The view of `packet.find(protocol)` where tunnels are not looked into. */
export function findInPacket(lowering: Lowering, model: ProtocolModel): Lowered {
  if (isBehindLinks(lowering, model)) shareLinks(lowering, model.name, false);
  const attempt = new Attempt(lowering);
  new Search(lowering, attempt, model).run();
  return attempt.conclude();
}

class Search {
  readonly #lowering: Lowering;
  readonly #attempt: Attempt;
  readonly #wanted: ProtocolModel;
  #link: LinkEnd | undefined;
  #passedLeast = 0;

  constructor(lowering: Lowering, attempt: Attempt, wanted: ProtocolModel) {
    this.#lowering = lowering;
    this.#attempt = attempt;
    this.#wanted = wanted;
  }

  run(): void {
    const lowering = this.#lowering;
    const first = placeBehind(lowering, packetView(lowering));
    if (beginsPacket(lowering, this.#wanted)) {
      this.#attempt.either(() => {
        this.#attempt.found(aim(lowering, this.#attempt, this.#wanted, first));
      });
    }
    if (lowering.target.first === "network") {
      const announces = (model: ProtocolModel): Value =>
        beginsWith(lowering, this.#attempt, numbersIn(model, "packet"));
      this.#from({ outers: ["packet"], place: first, passed: 0, announces, isAmbiguous: false });
      return;
    }
    const outers = ["ethernet", "vlan", "pppoe"];
    this.#passedLeast = this.#distance(outers, 0);
    if (this.#passedLeast === Number.POSITIVE_INFINITY) {
      this.#attempt.fail();
      return;
    }
    // The packet itself is the first of the views that are looked behind.
    const countMax = NESTING_MAX - 1 - this.#passedLeast;
    const link = walkLinks(lowering, this.#attempt, {
      ...{ wanted: this.#wanted.name, throughMpls: false, countMax },
    });
    this.#link = link;
    const { place } = link;
    this.#from({ outers, place, passed: 0, announces: link.announces, isAmbiguous: false });
  }

  /** Looks for it at a place, and behind what may stand there. */
  #from(level: Level): void {
    const [lowering, attempt] = [this.#lowering, this.#attempt];
    const isWanted = this.#isStep(level.outers, this.#wanted)
      ? level.announces(this.#wanted)
      : lowering.constant(false);
    if (lowering.known(isWanted) !== 0n) {
      attempt.either(() => {
        attempt.require(isWanted);
        if (this.#link !== undefined && level.passed > this.#passedLeast)
          attempt.require(lowering.compare("less", this.#link.count, NESTING_MAX - level.passed));
        attempt.found(aim(lowering, attempt, this.#wanted, level.place));
      });
    }
    const carriers = this.#carriers(level.outers);
    const last = carriers.findLastIndex((model) => this.#leads(model));
    for (const [index, model] of carriers.entries()) {
      const isWay = this.#leads(model);
      // One that leads nowhere is in the way only of those that are asked behind it.
      if (index > last || (!isWay && !level.isAmbiguous)) continue;
      const isNext = level.announces(model);
      if (lowering.known(isNext) === 0n) continue;
      attempt.either((commit) => {
        attempt.require(isNext);
        const view = aim(lowering, attempt, model, level.place);
        commit();
        if (isWay) this.#from(this.#behind(view, model, level.passed + 1));
        else attempt.fail();
      });
    }
    attempt.fail();
  }

  #behind(view: LoweredView, model: ProtocolModel, passed: number): Level {
    const lowering = this.#lowering;
    const announced = announcedBy(lowering, view);
    return {
      outers: [model.name],
      place: placeBehind(lowering, view),
      passed,
      announces: (inner) => isAnnounced(lowering, numbersIn(inner, model.name), announced),
      isAmbiguous: announced.length > 1 || announced.length === 0,
    };
  }

  /** Those that may come next and lead on, without those of the link, which have been walked over. */
  #carriers(outers: readonly string[]): readonly ProtocolModel[] {
    return CARRIERS.filter(
      (model) => model.name !== this.#wanted.name && !LINKS.has(model.name) && this.#isStep(outers, model),
    );
  }

  #isStep(outers: readonly string[], inner: ProtocolModel): boolean {
    return outers.some((outer) => numbersIn(inner, outer).length > 0 && !isTunnelStep(outer, inner.name));
  }

  #leads(model: ProtocolModel): boolean {
    return this.#distance([model.name], 0) < Number.POSITIVE_INFINITY;
  }

  /** Headers between these and the wanted one, at least. */
  #distance(outers: readonly string[], depth: number): number {
    if (this.#isStep(outers, this.#wanted)) return 0;
    if (depth > NESTING_MAX) return Number.POSITIVE_INFINITY;
    const further = this.#carriers(outers).map((model) => 1 + this.#distance([model.name], depth + 1));
    return Math.min(Number.POSITIVE_INFINITY, ...further);
  }
}
