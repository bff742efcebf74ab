/**
 * Headless Chromium on one of the lab's clients, driven by a small process of its own inside that client's
 * namespace.
 * @module
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { seconds } from "#base/time.ts";
import type { BrowserAction, BrowserOrder, BrowserSight } from "./browser-order.ts";
import type { LabHost } from "./lab-host.ts";
import { findProgram } from "./requirements.ts";
import { scriptArguments } from "./script-arguments.ts";

/** Starting a browser on a busy machine takes seconds. */
const BROWSE_TIMEOUT = seconds(60);

/**
 * Performs the actions in one fresh browser and says where it was after each.
 * @throws CommandFailedError when an action fails or Chromium does not start
 */
export async function browse(host: LabHost, actions: readonly BrowserAction[]): Promise<BrowserSight[]> {
  const order: BrowserOrder = {
    executable: findProgram("chromium") ?? "/usr/bin/chromium",
    userData: mkdtempSync(join(host.folder, "chromium-")),
    actions,
  };
  const result = await host.run(
    process.execPath,
    [...scriptArguments("browser-driver"), JSON.stringify(order)],
    {
      timeout: BROWSE_TIMEOUT,
      fix: "The browser steps need the Debian package chromium and the npm package playwright-core.",
      env: { XDG_CONFIG_HOME: join(host.folder, "config"), XDG_CACHE_HOME: join(host.folder, "cache") },
    },
  );
  return result.stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): BrowserSight => JSON.parse(line));
}
