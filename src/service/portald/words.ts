/**
 * Every word a client reads, in one place. Another language is another {@link Words} and a line in {@link LANGUAGES}.
 * @module
 */
import { type Duration, minutes } from "#base/time.ts";

/** The sentences of the pages. */
export interface Words {
  readonly language: string;
  readonly loginHeading: string;
  readonly loginText: string;
  readonly loginButton: string;
  readonly welcomeHeading: string;
  readonly welcomeText: string;
  readonly continueTo: (host: string) => string;
  readonly statusLink: string;
  readonly statusHeading: string;
  readonly connectedFor: string;
  readonly received: string;
  readonly sent: string;
  readonly endsIn: string;
  readonly volumeLeft: string;
  readonly device: string;
  readonly logoutButton: string;
  readonly goodbyeHeading: string;
  readonly goodbyeText: string;
  readonly loginAgain: string;
  readonly retry: string;
  readonly errorHeading: string;
  readonly notFound: string;
  readonly refused: (reason: string) => string;
  readonly wrongToken: string;
  readonly expiredToken: string;
  readonly noDevice: string;
  readonly firewallAway: string;
  readonly full: string;
  readonly notLoggedIn: string;
  readonly ended: { readonly [state: string]: string };
}

const ENGLISH: Words = {
  language: "en",
  loginHeading: "You are almost online",
  loginText: "Press the button to use this network.",
  loginButton: "Go online",
  welcomeHeading: "You are online",
  welcomeText: "You can close this page now, or come back to it to see your connection.",
  continueTo: (host) => `Continue to ${host}`,
  statusLink: "Your connection",
  statusHeading: "Your connection",
  connectedFor: "Connected for",
  received: "Received",
  sent: "Sent",
  endsIn: "Ends in",
  volumeLeft: "Volume left",
  device: "Device",
  logoutButton: "Log out",
  goodbyeHeading: "You are offline",
  goodbyeText: "Thank you for your visit.",
  loginAgain: "Go online again",
  retry: "Try again",
  errorHeading: "That did not work",
  notFound: "There is no such page here.",
  refused: (reason) => `The login was refused: ${reason}`,
  wrongToken: "This page did not come from your own visit. Please press the button once more.",
  expiredToken: "This page was open for a long time. Please press the button once more.",
  noDevice: "Your device cannot be seen on this network. Connect to it directly, then try again.",
  firewallAway: "The network cannot open the door at the moment. Please try again in a few seconds.",
  full: "The network is full at the moment. Please try again later.",
  notLoggedIn: "You are not online yet.",
  ended: {
    "idle-out": "You were logged out because nothing was sent or received for a while.",
    "timed-out": "You were logged out because your time was up.",
    "over-quota": "You were logged out because your volume was used up.",
  },
};

const GERMAN: Words = {
  language: "de",
  loginHeading: "Gleich sind Sie online",
  loginText: "Ein Druck auf den Knopf, und Sie können dieses Netz benutzen.",
  loginButton: "Online gehen",
  welcomeHeading: "Sie sind online",
  welcomeText: "Sie können diese Seite schließen oder hier später Ihre Verbindung ansehen.",
  continueTo: (host) => `Weiter zu ${host}`,
  statusLink: "Ihre Verbindung",
  statusHeading: "Ihre Verbindung",
  connectedFor: "Verbunden seit",
  received: "Empfangen",
  sent: "Gesendet",
  endsIn: "Endet in",
  volumeLeft: "Übriges Volumen",
  device: "Gerät",
  logoutButton: "Abmelden",
  goodbyeHeading: "Sie sind offline",
  goodbyeText: "Danke für Ihren Besuch.",
  loginAgain: "Wieder online gehen",
  retry: "Noch einmal versuchen",
  errorHeading: "Das hat nicht geklappt",
  notFound: "Diese Seite gibt es hier nicht.",
  refused: (reason) => `Die Anmeldung wurde abgelehnt: ${reason}`,
  wrongToken: "Diese Seite stammt nicht von Ihrem eigenen Besuch. Bitte drücken Sie den Knopf noch einmal.",
  expiredToken: "Diese Seite war lange offen. Bitte drücken Sie den Knopf noch einmal.",
  noDevice:
    "Ihr Gerät ist in diesem Netz nicht zu sehen. Verbinden Sie es direkt und versuchen Sie es noch einmal.",
  firewallAway:
    "Das Netz kann die Tür gerade nicht öffnen. Bitte versuchen Sie es in ein paar Sekunden noch einmal.",
  full: "Das Netz ist gerade voll. Bitte versuchen Sie es später noch einmal.",
  notLoggedIn: "Sie sind noch nicht online.",
  ended: {
    "idle-out": "Sie wurden abgemeldet, weil eine Weile nichts gesendet oder empfangen wurde.",
    "timed-out": "Sie wurden abgemeldet, weil Ihre Zeit um war.",
    "over-quota": "Sie wurden abgemeldet, weil Ihr Volumen aufgebraucht war.",
  },
};

const LANGUAGES: Readonly<Record<string, Words>> = { en: ENGLISH, de: GERMAN };

/** The words for an Accept-Language field (RFC 9110 §12.5.4), in the client's own order; English when none fits. */
export function wordsFor(acceptLanguage: string | undefined): Words {
  for (const range of (acceptLanguage ?? "").split(",", 10)) {
    const language = range.trim().slice(0, 2).toLowerCase();
    const words = Object.hasOwn(LANGUAGES, language) ? LANGUAGES[language] : undefined;
    if (words) return words;
  }
  return ENGLISH;
}

/** `2 h 05 min`, `5 min`, `40 s`. */
export function durationText(duration: Duration): string {
  const whole = Math.max(0, Math.floor(duration / 1000));
  if (whole < 60) return `${whole} s`;
  const inMinutes = Math.floor(duration / minutes(1));
  if (inMinutes < 60) return `${inMinutes} min`;
  return `${Math.floor(inMinutes / 60)} h ${String(inMinutes % 60).padStart(2, "0")} min`;
}

const UNITS: readonly string[] = ["B", "kB", "MB", "GB", "TB"];

/** Three digits at the most before the unit: `512 B`, `1.5 MB`, `23 GB`. */
export function bytesText(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit > 0 && value < 10 ? value.toFixed(1) : String(Math.floor(value));
  return `${digits} ${UNITS[unit]}`;
}
