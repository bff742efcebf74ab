/**
 * The addresses with which operating systems find out whether they are behind a portal. They are redirected like
 * everything else; they are known here so that nobody is offered one as the page to go on to, and for counting.
 * @module
 */

interface Probe {
  readonly system: string;
  /** Any host when absent. */
  readonly host?: RegExp;
  readonly path: RegExp;
}

const PROBES: readonly Probe[] = [
  { system: "apple", path: /^\/hotspot-detect\.html$/ },
  { system: "apple", host: /(^|\.)apple\.com$/, path: /^\/library\/test\/success\.html$/ },
  { system: "android", path: /^\/(generate_204|gen_204)$/ },
  { system: "windows", host: /(^|\.)msftconnecttest\.com$/, path: /^\/(connecttest\.txt|redirect)$/ },
  { system: "windows", host: /(^|\.)msftncsi\.com$/, path: /^\/ncsi\.txt$/ },
  { system: "firefox", host: /^detectportal\.firefox\.com$/, path: /^\/(success\.txt|canonical\.html)$/ },
  { system: "networkmanager", host: /^nmcheck\.gnome\.org$/, path: /^\/check_network_status\.txt$/ },
  { system: "networkmanager", host: /^network-test\.debian\.org$/, path: /^\/nm$/ },
  { system: "networkmanager", host: /^connectivity-check\.ubuntu\.com$/, path: /^\/?$/ },
  { system: "networkmanager", host: /^ping\.archlinux\.org$/, path: /^\/nm-check\.txt$/ },
  { system: "networkmanager", host: /(^|\.)fedoraproject\.org$/, path: /^\/static\/hotspot\.txt$/ },
  { system: "connman", host: /(^|\.)connman\.net$/, path: /^\/online\/status\.html$/ },
  { system: "kindle", path: /^\/kindle-wifi\/wifistub\.html$/ },
  { system: "cloudflare", host: /^cp\.cloudflare\.com$/, path: /^\/?$/ },
];

/** The system whose probe this is; `undefined` when it looks like a person's request. */
export function probeOf(host: string, path: string): string | undefined {
  const name = host.replace(/:\d*$/, "");
  return PROBES.find((probe) => probe.path.test(path) && (probe.host?.test(name) ?? true))?.system;
}
