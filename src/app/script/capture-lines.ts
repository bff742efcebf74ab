/**
 * The lines of JSON of `script test`, one for each packet and for whatever else happens.
 * @module
 */
import type { CaptureTime } from "./capture-output.ts";
import type { CaptureEvent } from "./capture-run.ts";

/** One line, without its end. Times are seconds since 1970 with all digits that the capture has. */
export function formatEvent(event: CaptureEvent): string {
  const time = formatTime(event.time);
  switch (event.kind) {
    case "packet": {
      const { packet, lengthBytes, verdict, mark, isChanged, held, error } = event;
      let line = `{"packet":${packet},"time":${time},"length":${lengthBytes}`;
      // Nobody was asked: the packet has no header that the hook knows.
      line += verdict === undefined ? `,"verdict":null` : `,"verdict":"${verdict}"`;
      if (mark !== undefined) line += `,"mark":${mark}`;
      if (isChanged) line += `,"changed":true`;
      if (held !== undefined) line += `,"held":${Number((held / 1000).toFixed(9))}`;
      if (error !== undefined) line += `,"error":${JSON.stringify(error)}`;
      return `${line}}`;
    }
    case "sent": {
      const { way = "routed", interface: name, mark } = event.options;
      const told = JSON.stringify({ length: event.bytes.length, way, interface: name, mark });
      return `{"sent":${told},"time":${time}}`;
    }
    case "log":
      return `{"log":${JSON.stringify(event.text)},"time":${time}}`;
    case "error":
      return `{"error":${JSON.stringify(event.error)},"time":${time}}`;
  }
}

/** Six digits behind the point, or nine where they say something. */
function formatTime({ seconds, nanoseconds }: CaptureTime): string {
  const digits = String(nanoseconds).padStart(9, "0");
  return `${seconds}.${digits.endsWith("000") ? digits.slice(0, 6) : digits}`;
}
