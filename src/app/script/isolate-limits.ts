/**
 * What isolates may take, and where they begin.
 * @module
 */

/** The file a worker starts with: as a source in a checkout, compiled in a package. */
export const ISOLATE_ENTRY: URL = new URL(
  import.meta.url.endsWith(".ts") ? "./isolate-main.ts" : "./isolate-main.js",
  import.meta.url,
);

/** Megabytes of an isolate's heap; more ends it. */
export const HEAP_MEGABYTES_MAX = 256;
/** Room for young objects: scripts that make one for each packet make them die young. */
export const YOUNG_MEGABYTES_MAX = 32;
/** Milliseconds that loading a script's modules may take. */
export const LOAD_TIME_MAX = 5000;
/** Milliseconds that an isolate may take to answer the engine. */
export const ANSWER_TIME_MAX = 2000;
/** How often isolates are looked at, in milliseconds. */
export const WATCH_INTERVAL = 20;
/** The longest interval, in milliseconds, at which an isolate shows that it is alive. */
export const TICK_MAX = 50;
/** Without the processor's time being used up, a limit counts this many times: the machine may be busy. */
export const STARVED_FACTOR = 3;
/** Restarts within {@link RESTART_WINDOW}; one more, and the isolate has failed. */
export const RESTART_COUNT_MAX = 5;
/** In milliseconds. */
export const RESTART_WINDOW = 60_000;
/** Milliseconds before the first restart; four times as many before each further one. */
export const RESTART_DELAY_FIRST = 20;
export const RESTART_DELAY_MAX = 5000;
