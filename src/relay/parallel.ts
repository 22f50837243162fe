import { type CloudEvent, isBarrier } from "./cloud-event.ts";
import type { Sink } from "./relay.ts";

/** Events in memory that are not delivered yet, those that wait for one that fails included. */
const WINDOW_MAX_EVENTS = 1_000;

/**
 * Delivers the events of a user one after the other, in their order, and those of different users at
 * once. A barrier waits for all events before it, and all after it wait for the barrier.
 */
export function inOrderOfUsers(deliver: (event: CloudEvent) => Promise<void>): Sink {
  const lastOf = new Map<string, Promise<void>>();
  let barrier: Promise<unknown> = Promise.resolve();
  let underWay = 0;
  let wake = () => {};

  const start = (event: CloudEvent): Promise<void> => {
    const user = event.subject ?? "";
    const stops = isBarrier(event);
    const before = stops
      ? Promise.all([barrier, ...lastOf.values()])
      : (lastOf.get(user) ?? barrier);
    const done = before.then(() => deliver(event));
    if (stops) {
      barrier = done;
      lastOf.clear();
    } else {
      lastOf.set(user, done);
    }
    underWay += 1;
    const leave = () => {
      underWay -= 1;
      wake();
    };
    const forget = () => {
      if (lastOf.get(user) === done) lastOf.delete(user);
    };
    // One that failed is kept: those after it must not overtake it.
    done.then(forget).then(leave, leave);
    return done;
  };

  return {
    async send(events) {
      await Promise.all(events.map(start));
    },
    async room() {
      while (underWay >= WINDOW_MAX_EVENTS) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
