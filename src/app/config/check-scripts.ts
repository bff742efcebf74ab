/**
 * What one key of a packet script alone cannot tell: interfaces that its hook does not know, and a match that chooses
 * no packets. What nft itself thinks of a match is found out when the script is loaded.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import { checkMatch, checkQueueRule, RULE_INDEX_MAX } from "#io/queue-rules.ts";
import { isInterfaceHook, scriptSpec } from "#service/packetd/config.ts";
import type { Contradiction } from "./cross-check.ts";
import type { Path } from "./positions.ts";
import type { PacketdSection } from "./schema.ts";
import { ACCOUNTING_SCRIPTS, packetdScripts } from "./service-options.ts";

export function checkScripts(section: PacketdSection): Contradiction[] {
  const found: Contradiction[] = [];
  const places = new Map<string, number>();
  for (const options of packetdScripts(section)) {
    const { name, match } = options;
    const path = ["packetd", "scripts", name];
    if ((ACCOUNTING_SCRIPTS as readonly string[]).includes(name)) {
      const seen = `${name} is what counts for the portal (accounting: packet-script)`;
      found.push({ path, seen, fix: "choose another name" });
    }
    attempt(found, path, "choose another value", () => {
      const { hook, family, inInterface, outInterface, queueCount } = scriptSpec(options);
      const inn = inInterface === undefined ? {} : { inInterface };
      const out = outInterface === undefined ? {} : { outInterface };
      checkQueueRule({
        name,
        // What hooks of interfaces want, the specification has been asked.
        hook: isInterfaceHook(hook) ? "forward" : hook,
        family,
        index: 0,
        ...inn,
        ...out,
        queueNumber: 0,
        queueCount,
        bypass: false,
      });
      const place = places.get(`${family} ${hook}`) ?? 0;
      places.set(`${family} ${hook}`, place + 1);
      if (place !== RULE_INDEX_MAX + 1) return;
      throw new ConfigurationError(`Cannot load: more than ${RULE_INDEX_MAX + 1} scripts at ${hook}`);
    });
    if (match !== undefined) {
      attempt(found, [...path, "match"], "write an expression that only chooses packets", () =>
        checkMatch(match),
      );
    }
  }
  return found;
}

/** Keeps what `check` complains about, without the beginning that says what could not be done. */
function attempt(found: Contradiction[], path: Path, fix: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    const [, text = error.message] = /^Cannot .*?: (.*)$/s.exec(error.message) ?? [];
    const [seen = text, own] = text.split("; ");
    // The rule's fields have other names in the file.
    const named = own?.replace("inInterface", "`in:`").replace("outInterface", "`out:`");
    found.push({ path, seen, fix: named ?? fix });
  }
}
