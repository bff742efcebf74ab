/**
 * What the lab asks of the browser driver, and what the driver says it saw.
 * @module
 */

export type BrowserAction =
  | { readonly do: "open"; readonly url: string }
  /** Presses the first element that matches and waits for the page it leads to. */
  | { readonly do: "press"; readonly selector: string }
  /** Writes a screenshot in PNG. */
  | { readonly do: "picture"; readonly file: string };

export interface BrowserOrder {
  /** Path of Chromium. */
  readonly executable: string;
  /** A new, empty profile folder. */
  readonly userData: string;
  readonly actions: readonly BrowserAction[];
}

/** Where the browser was after an action. */
export interface BrowserSight {
  readonly did: BrowserAction["do"];
  readonly url: string;
  readonly title: string;
  /** The page's visible text, at most 2,000 characters. */
  readonly text: string;
}
