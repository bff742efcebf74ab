/**
 * VLAN tags (IEEE 802.1Q), one in another for provider bridges (802.1ad).
 * @module
 */
import { carriedByEtherType, EtherType } from "./ethernet.ts";
import { defineProtocol } from "./protocol.ts";

/** The EtherType of stacked tags before 802.1ad. */
const OLD_STACKED = 0x9100;

/** What stands behind the EtherType of a tag; a second tag is the payload of the first. */
export const vlan = defineProtocol({
  name: "vlan",
  fields: {
    /** Priority code point, 0 to 7. */
    priority: { at: 0, bits: 3 },
    dropEligible: { at: 3, bits: 1, as: "boolean" },
    /** The VLAN, 0 to 4095; 0 means none, only a priority. */
    identifier: { at: 4, bits: 12 },
    /** The EtherType of what follows. */
    type: { at: 16, bits: 16 },
  },
  carriedBy: carriedByEtherType(EtherType.vlan, EtherType.serviceVlan, OLD_STACKED),
  announces: (tag) => tag.type,
  announcedIn: "type",
  isCarrier: true,
});
