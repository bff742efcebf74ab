import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseHex } from "#base/hex.ts";
import { FrameStart, findStart, LinkType, type StartLayer } from "./link-type.ts";

const COOKED = "0000 0001 0006 001122334455 0000";
const COOKED_2 = "0000 00000005 0001 00 06 0011223344550000";

const FRAMES: readonly [string, number, string, StartLayer, number][] = [
  ["Ethernet", LinkType.ethernet, "", "ethernet", 0],
  ["null, IPv4, low byte first", LinkType.null, "02000000 45", "ipv4", 4],
  ["null, IPv4, high byte first", LinkType.null, "00000002 45", "ipv4", 4],
  ["null, IPv6 of Linux", LinkType.null, "0a000000 60", "ipv6", 4],
  ["null, IPv6 of NetBSD and OpenBSD", LinkType.null, "18000000 60", "ipv6", 4],
  ["null, IPv6 of FreeBSD", LinkType.null, "1c000000 60", "ipv6", 4],
  ["null, IPv6 of Darwin, high byte first", LinkType.null, "0000001e 60", "ipv6", 4],
  ["null, another family", LinkType.null, "17000000 60", "other", 0],
  ["null, a family in both halves", LinkType.null, "02000200 45", "other", 0],
  ["null, nothing behind the family", LinkType.null, "02000000", "other", 0],
  ["loop", LinkType.loop, "00000018 60", "ipv6", 4],
  ["loop, by a machine that does not swap", LinkType.loop, "02000000 45", "ipv4", 4],
  ["raw IPv4", LinkType.raw, "45", "ipv4", 0],
  ["raw IPv6", LinkType.raw, "60", "ipv6", 0],
  ["raw, another version", LinkType.raw, "50", "other", 0],
  ["raw, empty", LinkType.raw, "", "other", 0],
  ["raw by its number in memory", LinkType.rawHere, "45", "ipv4", 0],
  ["raw by its number on OpenBSD", LinkType.rawOpenBsd, "60", "ipv6", 0],
  ["IPv4", LinkType.ipv4, "45", "ipv4", 0],
  ["IPv6", LinkType.ipv6, "60", "ipv6", 0],
  ["IPv6, empty", LinkType.ipv6, "", "other", 0],
  ["cooked, IPv4", LinkType.linuxCooked, `${COOKED} 0800 45`, "ipv4", 16],
  ["cooked, IPv6", LinkType.linuxCooked, `${COOKED} 86dd 60`, "ipv6", 16],
  ["cooked, ARP", LinkType.linuxCooked, `${COOKED} 0806 00`, "other", 0],
  ["cooked, VLAN", LinkType.linuxCooked, `${COOKED} 8100 0007 0800 45`, "ipv4", 20],
  ["cooked, two tags", LinkType.linuxCooked, `${COOKED} 88a8 0007 8100 0008 86dd 60`, "ipv6", 24],
  ["cooked, five tags", LinkType.linuxCooked, `${COOKED} ${"8100 0007 ".repeat(5)} 0800 45`, "other", 0],
  ["cooked, netlink", LinkType.linuxCooked, "0000 0338 0006 001122334455 0000 0800 45", "other", 0],
  ["cooked, cut", LinkType.linuxCooked, `${COOKED} 08`, "other", 0],
  ["cooked 2, IPv4", LinkType.linuxCooked2, `0800 ${COOKED_2} 45`, "ipv4", 20],
  ["cooked 2, IPv6", LinkType.linuxCooked2, `86dd ${COOKED_2} 60`, "ipv6", 20],
  ["cooked 2, netlink", LinkType.linuxCooked2, `0800 ${COOKED_2.replace(" 0001 ", " 0338 ")} 45`, "other", 0],
  ["cooked 2, cut", LinkType.linuxCooked2, `0800 ${COOKED_2}`, "other", 0],
  ["PPP with address and control", LinkType.ppp, "ff03 0021 45", "ipv4", 4],
  ["PPP without", LinkType.ppp, "0057 60", "ipv6", 2],
  ["PPP without, and a short protocol", LinkType.ppp, "21 45", "ipv4", 1],
  ["PPP with a short protocol", LinkType.pppSerial, "ff03 57 60", "ipv6", 3],
  ["PPP, link control", LinkType.ppp, "ff03 c021 01", "other", 0],
  ["PPP that is Cisco's HDLC", LinkType.pppSerial, "0f00 0800 45", "ipv4", 4],
  ["PPPoE session, IPv4", LinkType.pppEther, "1100 0001 0003 0021 45", "ipv4", 8],
  ["PPPoE session, IPv6", LinkType.pppEther, "1100 0001 0003 0057 60", "ipv6", 8],
  ["PPPoE discovery", LinkType.pppEther, "1109 0000 0003 0021 45", "other", 0],
  ["Cisco's HDLC", LinkType.ciscoHdlc, "0f00 86dd 60", "ipv6", 4],
  ["802.11", 105, "0800 0000", "other", 0],
  ["802.15.4", 195, "4500", "other", 0],
];

describe("findStart()", () => {
  for (const [what, linkType, hex, layer, offsetBytes] of FRAMES) {
    test(`finds the start: ${what}`, () => {
      const frame = parseHex(hex);
      // What stands around the frame, here the version of IPv4, is not read.
      const bytes = Uint8Array.from([0x45, ...frame, 0x45, 0x45]);
      const start = findStart({ linkType, bytes, offset: 1, capturedBytes: frame.length }, new FrameStart());
      assert.deepEqual({ ...start }, { layer, offsetBytes });
    });
  }

  test("forgets the frame before", () => {
    const start = new FrameStart();
    const frame = { bytes: parseHex("ff030021 45"), offset: 0, capturedBytes: 5 };
    findStart({ ...frame, linkType: LinkType.ppp }, start);
    assert.equal(start.offsetBytes, 4);
    assert.equal(findStart({ ...frame, linkType: LinkType.ethernet }, start).offsetBytes, 0);
  });

  test("begins a layer inside of the frame, whatever the bytes", (context) => {
    const seed = Date.now() % 1e9;
    context.diagnostic(`seed ${seed}`);
    const linkType = fc.constantFrom(...Object.values(LinkType), 105, 65_535);
    const length = fc.nat(40);
    fc.assert(
      fc.property(
        linkType,
        fc.uint8Array({ maxLength: 40 }),
        fc.nat(40),
        length,
        (type, bytes, offset, capturedBytes) => {
          const start = findStart({ linkType: type, bytes, offset, capturedBytes }, new FrameStart());
          if (start.layer === "other" || start.layer === "ethernet") assert.equal(start.offsetBytes, 0);
          else assert.ok(offset + start.offsetBytes < Math.min(bytes.length, offset + capturedBytes));
        },
      ),
      { seed, numRuns: 2000 },
    );
  });
});
