import type { Writable } from "node:stream";
import type { CloudEvent } from "./cloud-event.ts";
import type { Sink } from "./relay.ts";

/** Events as lines of JSON (NDJSON). */
export function linesOf(events: readonly CloudEvent[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

/** Writes events to a stream as lines. They are delivered when the system has taken them. */
export function toStream(out: Writable): Sink {
  return oneAfterTheOther((events) => {
    return new Promise((resolve, reject) => {
      out.write(linesOf(events), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  });
}

/** Delivers one piece after the other, and takes the next when it is done. */
export function oneAfterTheOther(deliver: (events: readonly CloudEvent[]) => Promise<void>): Sink {
  let last: Promise<void> = Promise.resolve();
  return {
    send(events) {
      last = last.then(() => deliver(events));
      return last;
    },
    room: () => last.catch(() => {}),
  };
}
