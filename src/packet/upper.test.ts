import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHex } from "#base/hex.ts";
import { build } from "./build.ts";
import { dhcp } from "./dhcp.ts";
import { DnsType, dns, dnsLength } from "./dns.ts";
import { http } from "./http.ts";
import { ipv4 } from "./ipv4.ts";
import type { Packet } from "./packet.ts";
import { tcp } from "./tcp.ts";
import { tftp } from "./tftp.ts";
import { clientHello, tls } from "./tls.ts";
import { udp } from "./udp.ts";
import { verifyChecksum } from "./verify.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

function onUdp(port: number, payload: Uint8Array): Packet {
  return build(ipv4.header({}), udp.header({ sourcePort: 1024, destinationPort: port }), payload).toPacket();
}

function onTcp(port: number, payload: Uint8Array): Packet {
  return build(ipv4.header({}), tcp.header({ sourcePort: 1024, destinationPort: port }), payload).toPacket();
}

describe("tftp", () => {
  it("tftp reads requests with their options", () => {
    const request = ascii("\0\x01boot/file\0octet\0BLKSIZE\x001428\0tsize\x000\0half");
    const view = onUdp(69, request).find(tftp);
    assert.equal(view?.filename, "boot/file");
    assert.equal(view?.mode, "octet");
    assert.equal(view?.option("blksize"), "1428");
    assert.deepEqual(
      [...(view?.options() ?? [])],
      [
        ["blksize", "1428"],
        ["tsize", "0"],
      ],
    );
    assert.equal(view?.block, undefined);
    assert.equal(view?.errorCode, undefined);
  });

  it("tftp reads what follows a request on other ports when it is told to", () => {
    const data = onUdp(5000, ascii("\0\x03\0\x07text")).find(udp)?.as(tftp);
    assert.deepEqual([data?.opcode, data?.block, data?.payload().text()], [3, 7, "text"]);
    const error = onUdp(5000, ascii("\0\x05\0\x01gone\0")).find(udp)?.as(tftp);
    assert.deepEqual([error?.errorCode, error?.errorMessage, error?.block], [1, "gone", undefined]);
    const acknowledged = onUdp(5000, ascii("\0\x06tsize\x0099\0")).find(udp)?.as(tftp);
    assert.equal(acknowledged?.option("tsize"), "99");
  });

  it("tftp gives no text that does not end inside of the packet", () => {
    assert.equal(onUdp(69, ascii("\0\x01boot")).find(tftp)?.filename, undefined);
    assert.equal(onUdp(69, ascii("\0\x01boot\0octet")).find(tftp)?.mode, undefined);
    assert.equal(onUdp(69, ascii("\0\x04\0")).find(tftp), undefined);
    assert.equal(onUdp(69, ascii("\0\x09\0\0")).find(tftp), undefined);
  });
});

/** example.com A? with an answer by way of an alias. */
const ANSWER = parseHex(
  [
    "1234 8180 0001 0003 0000 0000",
    "03777777 076578616d706c65 03636f6d 00 0001 0001",
    // www.example.com CNAME a.example.com
    "c00c 0005 0001 0000003c 0004 0161 c010",
    // a.example.com A 192.0.2.1
    "c02d 0001 0001 00000e10 0004 c0000201",
    // the same, AAAA 2001:db8::1
    "c02d 001c 0001 00000e10 0010 20010db8000000000000000000000001",
  ]
    .join("")
    .replaceAll(" ", ""),
);

describe("dns", () => {
  it("dns walks questions and records in place, with compressed names", () => {
    const message = onUdp(53, ANSWER).find(dns);
    assert.equal(message?.isResponse, true);
    assert.equal(message?.question?.name, "www.example.com");
    assert.equal(message?.question?.type, DnsType.a);
    const records = [...(message?.answers() ?? [])];
    assert.deepEqual(
      records.map(({ name, type, target, address }) => [name, type, target, address]),
      [
        ["www.example.com", DnsType.cname, "a.example.com", undefined],
        ["a.example.com", DnsType.a, undefined, 0xc000_0201],
        ["a.example.com", DnsType.aaaa, undefined, 0x2001_0db8_0000_0000_0000_0000_0000_0001n],
      ],
    );
  });

  it("dns sets addresses and times in place, and UDP's checksum follows", () => {
    const packet = onUdp(53, ANSWER);
    for (const record of packet.find(dns)?.answers() ?? []) {
      record.timeToLive = 1;
      if (record.type === DnsType.a) record.address = "10.0.0.53";
      if (record.type === DnsType.aaaa) record.address = "fd00::53";
    }
    const again = [...(packet.find(dns)?.records() ?? [])];
    assert.deepEqual(
      again.map(({ timeToLive, address }) => [timeToLive, address]),
      [
        [1, undefined],
        [1, 0x0a00_0035],
        [1, 0xfd00_0000_0000_0000_0000_0000_0000_0053n],
      ],
    );
    assert.equal(verifyChecksum(packet.find(udp) as never), "good");
  });

  it("dns is read behind TCP's length, even when its last record is not in the segment", () => {
    const length = Uint8Array.of(0, ANSWER.length);
    const packet = onTcp(53, Uint8Array.from([...length, ...ANSWER.subarray(0, -4)]));
    assert.equal(packet.find(dnsLength)?.length, ANSWER.length);
    assert.equal([...(packet.find(dns)?.answers() ?? [])].length, 2);
    const two = onTcp(53, Uint8Array.from([...length, ...ANSWER, ...length, ...ANSWER]));
    assert.equal(two.find(dns)?.lengthBytes, ANSWER.length);
  });

  const head = "000001000001000000000000";
  const broken: [string, string][] = [
    ["a pointer to itself", "c00c00010001"],
    ["a pointer forward", "c01000010001"],
    ["two pointers in a circle", "0161c00e c00c 0001 0001"],
    ["a label that leads outside", "3f61"],
    ["a kind of label that is none", "8061000001"],
    ["a name without end", "01610161"],
  ];
  for (const [what, name] of broken) {
    it(`dns gives no name for ${what}`, () => {
      const message = onUdp(53, parseHex((head + name).replaceAll(" ", ""))).find(dns);
      assert.equal(message?.question?.name, undefined);
      assert.equal([...(message?.records() ?? [])].length, 0);
    });
  }

  it("dns gives no name longer than 255 bytes", () => {
    const labels = "3f".concat("61".repeat(63)).repeat(4);
    assert.equal(onUdp(53, parseHex(`${head}${labels}00`)).find(dns)?.question, undefined);
    // 63 + 63 + 63 + 61 letters, four lengths and the end: 255.
    const longest = `${"3f".concat("61".repeat(63)).repeat(3)}3d${"62".repeat(61)}00`;
    assert.equal(onUdp(53, parseHex(`${head}${longest}00010001`)).find(dns)?.question?.name?.length, 253);
  });
});

describe("dhcp", () => {
  const message = (options: string, { file = "", name = "" } = {}): Packet => {
    const bytes = new Uint8Array(240);
    bytes.set(ascii("\x01\x01\x06"));
    bytes.set(parseHex("020000000001"), 28);
    bytes.set(parseHex(name), 44);
    bytes.set(parseHex(file), 108);
    bytes.set(parseHex("63825363"), 236);
    return onUdp(67, Uint8Array.from([...bytes, ...parseHex(options)]));
  };

  it("dhcp reads the fields of BOOTP and the options behind them", () => {
    const view = message("350101 3204c0000205 00 0c0161 ff").find(dhcp);
    assert.equal(view?.messageType, 1);
    assert.equal(view?.clientMac, 0x0200_0000_0001);
    assert.equal(view?.option(50)?.uint32(0), 0xc000_0205);
    assert.deepEqual(
      [...(view?.options() ?? [])].map(({ code }) => code),
      [53, 50, 12],
    );
  });

  it("dhcp goes on in the file's and the server's name when the options say so", () => {
    const view = message("340103 ff", { file: "350105 ff", name: "0c026162 ff" }).find(dhcp);
    assert.equal(view?.messageType, 5);
    assert.equal(view?.option(12)?.text(), "ab");
    assert.equal(message("350101 ff", { file: "0c0161 ff" }).find(dhcp)?.option(12), undefined);
  });

  it("dhcp ends its walk at an option that leads outside", () => {
    assert.deepEqual([...(message("350101 0cff61").find(dhcp)?.options() ?? [])].length, 1);
    assert.equal(
      message("340101", { file: `0c7f${"61".repeat(126)}` })
        .find(dhcp)
        ?.option(12),
      undefined,
    );
    assert.equal(onUdp(67, new Uint8Array(240)).find(dhcp), undefined);
  });
});

describe("http", () => {
  it("http reads a request's head", () => {
    const text = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept:  */* \t\r\n\r\nbody";
    const view = onTcp(80, ascii(text)).find(http);
    assert.equal(view?.state, "complete");
    assert.deepEqual(
      [view?.method, view?.target, view?.version, view?.status],
      ["GET", "/a?b=c", "1.1", undefined],
    );
    assert.equal(view?.field("HOST"), "example.com");
    assert.deepEqual(
      [...(view?.fields() ?? [])],
      [
        ["host", "example.com"],
        ["accept", "*/*"],
      ],
    );
    assert.equal(view?.payload().text(), "body");
    assert.equal(view?.isResponse, false);
  });

  it("http reads a response's head", () => {
    const view = onTcp(80, ascii("HTTP/1.1 404 Not Found\nServer: x\n\n")).find(http);
    assert.deepEqual([view?.state, view?.status, view?.version], ["complete", 404, "1.1"]);
    assert.equal(onTcp(80, ascii("HTTP/1.0 200\r\n\r\n")).find(http)?.status, 200);
  });

  it("http fields are changed in place, longer or shorter", () => {
    const packet = onTcp(80, ascii("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"));
    const host = packet.find(http)?.fieldView("host");
    assert.equal(host?.splice(0, 7, ascii("a")), true);
    assert.equal(packet.find(tcp)?.payload().text(), "GET / HTTP/1.1\r\nHost: a.com\r\n\r\n");
    assert.equal(verifyChecksum(packet.find(tcp) as never), "good");
    assert.equal(packet.find(ipv4)?.totalLength, packet.lengthBytes);
  });

  const states: [string, string, string | undefined][] = [
    ["a start line that goes on", "GET /long", "incomplete"],
    ["a status line that goes on", "HTTP/1.1 20", "incomplete"],
    ["fields that go on", "GET / HTTP/1.1\r\nHost: exa", "incomplete"],
    ["an end that goes on", "GET / HTTP/1.1\r\nHost: a\r\n\r", "incomplete"],
    ["a space before a colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "malformed"],
    ["a folded line", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "malformed"],
    ["a line without a colon", "GET / HTTP/1.1\r\nHost\r\n\r\n", "malformed"],
    ["a zero byte in a value", "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "malformed"],
    ["a return in a value", "GET / HTTP/1.1\r\nHost: a\rb: c\r\n\r\n", "malformed"],
    ["other bytes", "\x16\x03\x01", undefined],
    ["another text", "hello there\r\n\r\n", undefined],
    ["no bytes", "", undefined],
  ];
  for (const [what, text, state] of states) {
    it(`http is ${state ?? "not seen"} in ${what}`, () => {
      assert.equal(onTcp(80, ascii(text)).find(http)?.state, state);
    });
  }

  it("http takes a head with too many fields for malformed", () => {
    const head = `GET / HTTP/1.1\r\n${"a: b\r\n".repeat(257)}\r\n`;
    assert.equal(onTcp(80, ascii(head)).find(http)?.state, "malformed");
  });
});

/** A ClientHello with the given extensions. */
function helloWith(extensions: string): Uint8Array {
  const data = parseHex(extensions.replaceAll(" ", ""));
  const body = [
    3,
    3,
    ...new Uint8Array(32),
    0,
    0,
    4,
    0x13,
    1,
    0x13,
    2,
    1,
    0,
    data.length >> 8,
    data.length & 255,
    ...data,
  ];
  const message = [1, 0, body.length >> 8, body.length & 255, ...body];
  return Uint8Array.from([22, 3, 1, message.length >> 8, message.length & 255, ...message]);
}

/** example.com; h2 and http/1.1; TLS 1.3 and 1.2. */
const HELLO = helloWith(
  `0000 0010 000e 00 000b 6578616d706c652e636f6d
   0010 000e 000c 02 6832 08 687474702f312e31
   002b 0005 04 0304 0303`.replaceAll("\n", ""),
);

describe("clientHello", () => {
  it("clientHello tells server, protocols and versions", () => {
    const hello = onTcp(443, HELLO).find(clientHello);
    assert.equal(hello?.state, "complete");
    assert.equal(hello?.serverName, "example.com");
    assert.deepEqual(hello?.applicationProtocols, ["h2", "http/1.1"]);
    assert.deepEqual(hello?.versions, [0x0304, 0x0303]);
    assert.deepEqual(hello?.cipherSuites, [0x1301, 0x1302]);
  });

  it("clientHello that goes on in another segment is incomplete, and tells what is there", () => {
    const hello = onTcp(443, HELLO.subarray(0, -12)).find(clientHello);
    assert.equal(hello?.state, "incomplete");
    assert.equal(hello?.serverName, "example.com");
    for (let bytes = 9; bytes < HELLO.length; bytes++)
      assert.equal(
        onTcp(443, HELLO.subarray(0, bytes)).find(clientHello)?.state,
        "incomplete",
        `${bytes} bytes`,
      );
  });

  it("clientHello that goes on in another record is incomplete", () => {
    const split = Uint8Array.from([22, 3, 1, 0, 60, ...HELLO.subarray(5, 65), 22, 3, 1, 0, 9, 1, 2, 3]);
    const hello = onTcp(443, split).find(clientHello);
    assert.equal(hello?.state, "incomplete");
    assert.equal(hello?.lengthBytes, 60);
  });

  it("clientHello whose lengths contradict each other is malformed", () => {
    assert.equal(onTcp(443, helloWith("0000 0010 00")).find(clientHello)?.state, "malformed");
    const longer = Uint8Array.from(HELLO);
    longer[43] = 255;
    assert.equal(onTcp(443, longer).find(clientHello)?.state, "malformed");
    assert.equal(onTcp(443, longer).find(clientHello)?.serverName, undefined);
  });

  it("clientHello without extensions has its own version", () => {
    const body = [3, 1, ...new Uint8Array(32), 0, 0, 2, 0, 47, 1, 0];
    const record = Uint8Array.from([22, 3, 1, 0, body.length + 4, 1, 0, 0, body.length, ...body]);
    const hello = onTcp(443, record).find(clientHello);
    assert.deepEqual([hello?.state, hello?.versions, hello?.serverName], ["complete", [0x0301], undefined]);
  });

  it("tls is not seen in what is no record", () => {
    assert.equal(onTcp(443, ascii("GET / HTTP/1.1")).find(tls), undefined);
    assert.equal(onTcp(443, Uint8Array.of(23, 3, 3, 0, 1, 1)).find(clientHello), undefined);
  });

  it("a server's name is changed in place", () => {
    const packet = onTcp(443, HELLO);
    packet.find(clientHello)?.serverNameView?.write(0, ascii("E"));
    assert.equal(packet.find(clientHello)?.serverName, "Example.com");
    assert.equal(verifyChecksum(packet.find(tcp) as never), "good");
  });
});
