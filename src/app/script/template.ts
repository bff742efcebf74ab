/**
 * The first script of an author, and what an editor needs to complete it.
 * @module
 */
import { scriptCompilerOptions } from "./compiler-options.ts";

/** A script with comments, whose function has the name. */
export function scriptTemplate(functionName: string, file: string): string {
  return `/**
 * A packet script. Try it over a capture, where it can do no harm:
 *
 *   metanet script check ${file}
 *   metanet script test ${file} --function ${functionName} --capture in.pcap
 */
import { type Context, drop, formatIpv4, ipv4, type Packet, tcp, type Verdict, verdict } from "metanet/script";

/** Called for each packet; what it returns is what becomes of the packet. */
export function ${functionName}(packet: Packet, context: Context): Verdict {
  // A view of the first TCP header, behind whatever there is of Ethernet, VLAN, IPv4 and IPv6.
  const segment = packet.find(tcp);
  // Every header may be missing: the compiler insists that this is asked.
  if (segment === undefined) return verdict.continue;

  // Nobody uses telnet any more.
  if (segment.destinationPort === 23) {
    const source = packet.find(ipv4)?.source;
    context.counter("telnet").add();
    context.log(\`no telnet from \${source === undefined ? "IPv6" : formatIpv4(source)}\`);
    return drop;
  }

  // Fields can be written as well, and the checksums follow: segment.window = 1024;
  return verdict.continue;
}
`;
}

/** A tsconfig.json for the folder of a script: the same that `metanet script check` goes by. */
export function editorConfig(): string {
  return `${JSON.stringify({ compilerOptions: scriptCompilerOptions() }, undefined, 2)}\n`;
}
