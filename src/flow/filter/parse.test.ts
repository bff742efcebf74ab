import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FilterError } from "./filter-error.ts";
import { parseFilter } from "./parse.ts";
import { FILTER_TEXT_MAX } from "./token.ts";
import { FILTER_CHANGES_MAX, FILTER_NESTING_MAX, FILTER_OPERATORS_MAX } from "./token-reader.ts";

/** Columns are where the text was; for what it means they are of no interest. */
function meaning(text: string): unknown {
  return JSON.parse(
    JSON.stringify(parseFilter(text), (key, value) => (key === "column" ? undefined : value)),
  );
}

/** Left and right mean the same. */
const SAME: readonly (readonly [string, string])[] = [
  ["port 80 or 443", "port 80 or port 443"],
  ["port 80 or (443 or 8080)", "port 80 or (port 443 or port 8080)"],
  ["tcp port (80 or 443)", "(tcp port 80 or tcp port 443)"],
  ["host 1.2.3.4 and not 5.6.7.8", "host 1.2.3.4 and not host 5.6.7.8"],
  ["not host 1.2.3.4 and 5.6.7.8", "not host 1.2.3.4 and host 5.6.7.8"],
  ["src 1.2.3.4", "src host 1.2.3.4"],
  ["dst or src port 53", "src or dst port 53"],
  ["src && dst net 10", "src and dst net 10.0.0.0/8"],
  ["net 10", "net 10.0.0.0/8"],
  ["net 192.168", "net 192.168.0.0/16"],
  ["net 192.168 mask 255.255.0.0", "net 192.168.0.0/16"],
  ["net 1.2.3", "net 1.2.3.0/24"],
  ["net 1.2.3.4", "host 1.2.3.4"],
  ["host 10", "host 0.0.0.10"],
  ["host 0xa", "host 0.0.0.10"],
  ["net 2001:db8::/128", "host 2001:db8::"],
  ["ip && !tcp || udp", "(ip and not tcp) or udp"],
  ["ip or tcp and udp", "(ip or tcp) and udp"],
  ["not not ip", "not (not ip)"],
  ["port http", "tcp port 80"],
  ["port ntp", "udp port 123"],
  ["port domain", "port 53"],
  ["udp port domain", "udp port 53"],
  ["portrange 90-80", "portrange 80-90"],
  ["portrange ftp-data-ssh", "tcp portrange 20-22"],
  ["portrange 80", "portrange 80-80"],
  ["proto \\tcp", "proto 6"],
  ["ip proto ospf", "ip proto 89"],
  ["ether proto \\ip6", "ether proto 0x86dd"],
  ["pppoed", "ether proto 0x8863"],
  ["link proto 5", "ether proto 5"],
  ["broadcast", "ether broadcast"],
  ["less 60", "len <= 60"],
  ["greater 0x40", "length >= 64"],
  ["ether host 1:2:3:4:5:6", "ether host 010203040506"],
  ["ether host 01-02-03-04-05-06", "ether host 0102.0304.0506"],
  ["ether src 1.2.3.4.5.6", "ether src host 01:02:03:04:05:06"],
  ["vlan (5)", "vlan 5"],
  ["len = 8 | 6 & 3", "len = 8 | (6 & 3)"],
  ["len = 1 + 2 << 3", "len = (1 + 2) << 3"],
  ["len = 6 - 3 - 1", "len = (6 - 3) - 1"],
  ["len = 8 / 4 * 2", "len = (8 / 4) * 2"],
  ["len = 7 % 4 * 3", "len = 7 % (4 * 3)"],
  ["len = 3 * 7 % 4", "len = 3 * (7 % 4)"],
  ["len = 1 & 3 ^ 1", "len = 1 & (3 ^ 1)"],
  ["len = -1 + 3", "len = (-1) + 3"],
  ["len = 010", "len = 8"],
  ["(tcp[0] + 3) * 2 > (5)", "((tcp[0] + 3) * 2) > 5"],
  ["tcp[tcpflags] == tcp-syn", "tcp[13:1] = 2"],
  ["icmp6[icmp6type] = icmp6-echo", "icmp6[0] = 128"],
  ["  tcp\n\tor\nudp ", "tcp or udp"],
];

/** The text, the column, and what the message says. */
const WRONG: readonly (readonly [string, number, RegExp])[] = [
  ["tpc port 80", 1, /"tpc" is not known;.*did you mean tcp\?/],
  ["tcp prot 80", 5, /"prot" is not known;.*did you mean port\?/],
  ["1.2.3.4", 1, /no word in front.*did you mean host 1\.2\.3\.4\?/],
  ["tcp and 80", 9, /no word in front.*port 80/],
  ["(80)", 2, /no word in front/],
  ["tcp and", 8, /it ends here; expected a primitive/],
  ["(tcp", 5, /it ends here; expected \)/],
  ["tcp)", 4, /"\)" does not belong here; expected and, or, or the end/],
  ["tcp udp", 5, /"udp" does not belong here/],
  ["host", 5, /it ends here; expected an address/],
  ["host example.com", 6, /is a name, and names are not looked up/],
  ["host 1.2.3.256", 6, /256 is above 255/],
  ["host ::1::", 6, /no IPv6 address/],
  ["host 1.2.3.4/8", 13, /behind net only/],
  ["host ::/8", 8, /behind net only/],
  ["net 10.1/8", 5, /has bits that its mask has not/],
  ["net ::1/64", 5, /has bits that its mask has not/],
  ["net 10.0.0.0/33", 14, /0 to 32/],
  ["net ::/129", 8, /0 to 128/],
  ["net 10.0.0.0 mask 8", 19, /written as an address/],
  ["tcp host 1.2.3.4", 10, /tcp has no IPv4 addresses; write tcp and host/],
  ["ip host ::1", 9, /ip has no IPv6 addresses/],
  ["ether host 1.2.3.4", 12, /not an Ethernet address/],
  ["host 1:2:3:4:5:6", 6, /is an Ethernet address; write ether host/],
  ["ip port 80", 9, /ip has no ports; write ip and port 80/],
  ["port 70000", 6, /above 65535/],
  ["port htpp", 6, /did you mean http\?/],
  ["port 80-90", 6, /write portrange/],
  ["udp port http", 10, /a port of tcp, not of udp/],
  ["ip proto tcp", 10, /write \\tcp/],
  ["ip proto osfp", 10, /did you mean ospf\?/],
  ["tcp proto 5", 11, /makes no sense/],
  ["src proto 4", 1, /cannot stand in front of proto/],
  ["arp broadcast", 1, /arp has no broadcast/],
  ["vlan 5000", 6, /VLAN id 5000 is above 4095/],
  ["mpls 2000000", 6, /MPLS label/],
  ["pppoes 70000", 8, /PPPoE session/],
  ["less", 5, /a number of bytes/],
  ["gateway 1.2.3.4", 1, /"gateway" is not supported; .*ether host MAC/],
  ["ip6 protochain 6", 5, /"protochain" .*a loop/],
  ["wlan type mgt", 6, /802\.11/],
  ["tcp[0:3] = 1", 7, /1, 2 or 4 bytes/],
  ["tcp[0", 6, /expected \]/],
  ["ah[0] = 1", 1, /bytes of ah cannot be read/],
  ["tcp[0]", 7, /expected a comparison/],
  ["len = ", 7, /expected a number, len/],
  ["len-4 > 3", 1, /spaces around the minus/],
  ["len = 08", 7, /octal/],
  ["len = 4294967296", 7, /32 bits/],
  ["ip \u00e4", 4, /means nothing here/],
  ["ip and \ud83d\ude00", 8, /means nothing here/],
  [`${"(".repeat(FILTER_NESTING_MAX + 1)}ip`, FILTER_NESTING_MAX + 1, /levels/],
  [`${"not ".repeat(FILTER_NESTING_MAX + 1)}ip`, 801, /levels/],
  [`len = ${"1+".repeat(FILTER_OPERATORS_MAX + 1)}1`, 4008, /operators/],
  ["ip or ip and ".repeat(FILTER_CHANGES_MAX), 6514, /changes/],
  [" ".repeat(FILTER_TEXT_MAX + 1), 0, /65536 characters/],
];

describe("parseFilter()", () => {
  for (const [left, right] of SAME) {
    test(`parseFilter() reads ${JSON.stringify(left)} as ${right}`, () => {
      assert.deepEqual(withoutRange(meaning(left)), withoutRange(meaning(right)));
    });
  }

  for (const [text, column, message] of WRONG) {
    test(`parseFilter() refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseFilter(text),
        (error) => {
          assert.ok(error instanceof FilterError);
          assert.match(error.message, message);
          assert.equal(error.column, column);
          assert.equal(error.code, "filter");
          return true;
        },
      );
    });
  }

  test("parseFilter() takes what is empty for all packets", () => {
    assert.deepEqual(parseFilter(" "), { kind: "all" });
  });

  test("parseFilter() takes as much nesting as it says", () => {
    const depth = FILTER_NESTING_MAX - 2;
    assert.deepEqual(meaning(`${"(".repeat(depth)}ip${")".repeat(depth)}`), meaning("ip"));
  });
});

/** A range of one port is a port. */
function withoutRange(tree: unknown): unknown {
  return JSON.parse(JSON.stringify(tree, (key, value) => (key === "isRange" ? undefined : value)));
}
