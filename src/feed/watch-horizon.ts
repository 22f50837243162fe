import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { heldBackMs, type Horizon, isUnflushed, look, type Look, NO_LOOK } from "./horizon.ts";

const LOOK_EVERY_MS = 50;
const HELD_BACK_MS = 2_000;
const TELL_EVERY_MS = 30_000;

/** The horizon of the stream, as it moves. */
export type HorizonWatch = {
  /** Begins to look, if nobody has asked before. */
  subscribe(): HorizonSubscription;
  /** Ends all subscriptions with that error. Then the database is no longer used. */
  close(reason: Error): Promise<void>;
};

export type HorizonSubscription = {
  /**
   * The horizon after another look.
   *
   * @throws what the look threw
   */
  next(): Promise<Horizon>;
  end(): void;
};

type Options = {
  readonly look: () => Promise<Look>;
  /** Takes the WAL to the disk. */
  readonly flush: () => Promise<void>;
  /** Says which transaction is the oldest under way, for the log. */
  readonly describeOldest: (xmin: bigint) => Promise<string>;
  /** Told for how many seconds a transaction has held the stream back; 0: none does. */
  readonly heldBack: (seconds: number) => void;
  readonly log: Logger;
};

/** Looks for the horizon twenty times a second while somebody reads the stream, once for all. */
export function watchHorizon({
  look: see,
  flush,
  describeOldest,
  heldBack,
  log,
}: Options): HorizonWatch {
  let subscribers = 0;
  let running: Promise<void> | undefined;
  let closed: Error | undefined;
  let next = Promise.withResolvers<Horizon>();
  next.promise.catch(() => {});

  async function run(): Promise<void> {
    let known = NO_LOOK;
    let told = { ms: 0 };
    while (subscribers > 0 && closed === undefined) {
      try {
        known = look(known, await see());
        if (isUnflushed(known)) await flush();
        told = await tell(heldBackMs(known), told.ms, known.last!.xmin);
        if (known.horizon !== undefined) settle(({ resolve }) => resolve(known.horizon!));
      } catch (error) {
        known = NO_LOOK;
        settle(({ reject }) => reject(error));
      }
      await sleep(LOOK_EVERY_MS);
    }
    running = undefined;
    heldBack(0);
  }

  function settle(how: (waiting: PromiseWithResolvers<Horizon>) => void): void {
    const waiting = next;
    next = Promise.withResolvers<Horizon>();
    next.promise.catch(() => {});
    how(waiting);
  }

  async function tell(ms: number, toldMs: number, xmin: bigint): Promise<{ ms: number }> {
    const isHeld = ms >= HELD_BACK_MS;
    heldBack(isHeld ? ms / 1_000 : 0);
    if (!isHeld) return { ms: 0 };
    if (toldMs > 0 && ms < toldMs + TELL_EVERY_MS) return { ms: toldMs };
    const seconds = Math.floor(ms / 1_000);
    log.warn({ seconds }, `the stream of entries waits for ${await describeOldest(xmin)}`);
    return { ms };
  }

  return {
    subscribe() {
      subscribers += 1;
      running ??= run();
      return {
        next: () => (closed === undefined ? next.promise : Promise.reject(closed)),
        end: () => void (subscribers -= 1),
      };
    },
    async close(reason) {
      closed = reason;
      settle(({ reject }) => reject(reason));
      await running;
    },
  };
}
