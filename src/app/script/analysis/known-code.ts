/**
 * Code outside of a script of which it is known what it does with what it is handed: JavaScript's own.
 * @module
 */

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/).filter((word) => word !== ""));

/** Global functions and classes that change nothing they are handed and keep no packet. */
export const SAFE_GLOBALS: ReadonlySet<string> = words(`
  Number String Boolean BigInt Symbol parseInt parseFloat isNaN isFinite encodeURIComponent decodeURIComponent
  encodeURI decodeURI structuredClone setTimeout clearTimeout setInterval clearInterval setImmediate clearImmediate
  queueMicrotask Map Set WeakMap WeakSet WeakRef Date RegExp Error TypeError RangeError SyntaxError AggregateError
  URL URLSearchParams TextDecoder TextEncoder Array Object Promise ArrayBuffer SharedArrayBuffer AbortController
  Uint8Array Uint8ClampedArray Int8Array Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array
  BigUint64Array BigInt64Array DataView atob btoa`);

/** Global objects whose methods change nothing they are handed, but for those below. */
export const SAFE_NAMESPACES: ReadonlySet<string> = words(`
  Math JSON Object Array Number String BigInt Date Promise Symbol console performance crypto Map ArrayBuffer
  Uint8Array Uint16Array Uint32Array URL Error RegExp Intl`);

/** Methods of those that change what they are handed. */
export const CHANGING_STATICS: ReadonlySet<string> = words(
  "assign defineProperty defineProperties setPrototypeOf getRandomValues",
);

/** Methods of values of JavaScript's own, and of what scripts are given, that hand nothing on but to functions they call. */
export const SAFE_METHODS: ReadonlySet<string> = words(`
  get has add delete clear keys values entries forEach map filter reduce reduceRight some every findIndex findLast
  findLastIndex indexOf lastIndexOf includes join concat flat flatMap push pop shift unshift splice at with toSorted
  toReversed toSpliced subarray charAt charCodeAt codePointAt startsWith endsWith padStart padEnd repeat replace
  replaceAll split substring trim trimStart trimEnd toLowerCase toUpperCase match matchAll search test exec normalize
  localeCompare toString toFixed toPrecision toLocaleString valueOf toISOString toJSON getTime then catch finally
  decode encode encodeInto next return throw union intersection difference symmetricDifference isSubsetOf
  isSupersetOf isDisjointFrom deref
  random randomInteger defer send counter log post cancel compareAndSet touch getBytes setBytes header toBytes toPacket announced`);

/** Methods that call what they are handed. */
export const CALLING_METHODS: ReadonlySet<string> = words(`
  forEach map filter reduce reduceRight some every findIndex findLast findLastIndex flatMap sort toSorted then catch
  finally defer replace replaceAll from`);

/** Functions and methods whose answer is a number, a text or the like. */
export const SCALAR_ANSWERS: ReadonlySet<string> = words(`
  Number String Boolean BigInt parseInt parseFloat isNaN isFinite uint8 uint16 uint32 text random randomInteger
  toString toFixed join padStart padEnd toLowerCase toUpperCase charCodeAt indexOf includes has startsWith endsWith
  test trim substring stringify now formatIpv4 formatIpv6 formatMac formatVerdict formatInstant ipv4Address
  ipv6Address macAddress milliseconds seconds minutes hours toISOString`);

/** Methods whose answer is new, so that changing it changes no packet. */
export const NEW_ANSWERS: ReadonlySet<string> = words(
  "copy filter map concat toSorted toReversed split keys values entries from of fromEntries create structuredClone toBytes counter",
);
