/**
 * Drives headless Chromium inside a client's namespace. The only argument is a JSON {@link BrowserOrder}; after
 * each action one JSON line says where the browser is. Ends with exit code 1 and the reason when an action fails.
 * @module
 */
import type { Page } from "playwright-core";
import type { BrowserAction, BrowserOrder, BrowserSight } from "../browser-order.ts";

/** Sandboxing needs privileges the lab's namespaces do not give; the rest keeps Chromium from calling out. */
const FLAGS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
];

const ACTION_TIMEOUT_MS = 20_000;

const order: BrowserOrder = JSON.parse(process.argv[2] ?? "{}");
await drive(order).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});

async function drive({ executable, userData, actions }: BrowserOrder): Promise<void> {
  const { chromium } = await import("playwright-core");
  const context = await chromium.launchPersistentContext(userData, {
    executablePath: executable,
    headless: true,
    args: FLAGS,
    // A phone's screen: that is where most portals are met.
    viewport: { width: 390, height: 760 },
    timeout: ACTION_TIMEOUT_MS,
  });
  try {
    const page = context.pages()[0] ?? (await context.newPage());
    page.setDefaultTimeout(ACTION_TIMEOUT_MS);
    for (const action of actions) {
      await perform(page, action);
      const sight: BrowserSight = {
        did: action.do,
        url: page.url(),
        title: await page.title(),
        // biome-ignore lint/performance/useDomNodeTextContent: what a person can see, hidden elements left out.
        text: (await page.innerText("body")).slice(0, 2000),
      };
      process.stdout.write(`${JSON.stringify(sight)}\n`);
    }
  } finally {
    await context.close();
  }
}

async function perform(page: Page, action: BrowserAction): Promise<void> {
  if (action.do === "open") await page.goto(action.url, { waitUntil: "load" });
  else if (action.do === "picture") await page.screenshot({ path: action.file });
  else {
    // The press navigates at once or after the portal's answer; either way a new document loads.
    const loaded = page.waitForEvent("load");
    await page.locator(action.selector).first().click();
    await loaded;
  }
}
