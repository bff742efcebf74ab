/**
 * The addresses with which operating systems find out whether they are behind a portal. They are redirected like
 * everything else; they are known here so that nobody is offered one as the page to go on to, and for counting.
 * @module
 */

interface Probe {
  readonly system: string;
  /** Any host when absent. */
  readonly host?: RegExp;
  readonly paths: readonly string[];
}

const PROBES: readonly Probe[] = [
  { system: "apple", paths: ["/hotspot-detect.html"] },
  { system: "apple", host: /(^|\.)apple\.com$/, paths: ["/library/test/success.html"] },
  { system: "android", paths: ["/generate_204", "/gen_204"] },
  { system: "windows", host: /(^|\.)msftconnecttest\.com$/, paths: ["/connecttest.txt", "/redirect"] },
  { system: "windows", host: /(^|\.)msftncsi\.com$/, paths: ["/ncsi.txt"] },
  { system: "firefox", host: /^detectportal\.firefox\.com$/, paths: ["/success.txt", "/canonical.html"] },
  { system: "networkmanager", host: /^nmcheck\.gnome\.org$/, paths: ["/check_network_status.txt"] },
  { system: "networkmanager", host: /^network-test\.debian\.org$/, paths: ["/nm"] },
  { system: "networkmanager", host: /^connectivity-check\.ubuntu\.com$/, paths: ["/"] },
  { system: "networkmanager", host: /^ping\.archlinux\.org$/, paths: ["/nm-check.txt"] },
  { system: "networkmanager", host: /(^|\.)fedoraproject\.org$/, paths: ["/static/hotspot.txt"] },
  { system: "connman", host: /(^|\.)connman\.net$/, paths: ["/online/status.html"] },
  { system: "kindle", paths: ["/kindle-wifi/wifistub.html"] },
  { system: "cloudflare", host: /^cp\.cloudflare\.com$/, paths: ["/"] },
];

/** Which probes a path may be one of; a path that is none of these is a person's. */
const BY_PATH = new Map<string, Probe[]>();
for (const probe of PROBES) {
  for (const path of probe.paths) BY_PATH.set(path, [...(BY_PATH.get(path) ?? []), probe]);
}

/** The system whose probe this is; `undefined` when it looks like a person's request. */
export function probeOf(host: string, path: string): string | undefined {
  const candidates = BY_PATH.get(path);
  if (candidates === undefined) return undefined;
  const name = host.replace(/:\d*$/, "");
  return candidates.find((probe) => probe.host?.test(name) ?? true)?.system;
}
