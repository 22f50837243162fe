import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import { heldBackMs, type Horizon, isUnflushed, look, type Look, NO_LOOK } from "./horizon.ts";

const LOOK_EVERY_MS = 50;
const SUMMARIZE_EVERY_LOOKS = 20;
const HELD_BACK_MS = 2_000;
const TELL_EVERY_MS = 30_000;

/** The horizon of the stream, as it moves. */
export type HorizonWatch = {
  /**
   * The looks go on as long as there is a subscription, from its first `next` on.
   *
   * @throws {TooManyReaders}
   */
  subscribe(): HorizonSubscription;
  /** Ends all subscriptions with that error. Then the database is no longer used. */
  close(reason: Error): Promise<void>;
};

// A reader that stops reading holds some tens of MB.
const READERS_MAX = 32;

/** As many read the stream as may. */
export class TooManyReaders extends Error {
  constructor() {
    super(`the server has ${READERS_MAX} readers of the stream: ask another one`);
  }
}

/** One reader's part in the looks. */
export type HorizonSubscription = {
  /**
   * The horizon after another look, which begins after the call: it sees all that the caller knows.
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
  /** Keeps reads of the newest entries short; called once a second, and may fail. */
  readonly summarize: () => Promise<void>;
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
  summarize,
  describeOldest,
  heldBack,
  log,
}: Options): HorizonWatch {
  let subscribers = 0;
  let running: Promise<void> | undefined;
  let summarizing: Promise<void> | undefined;
  let closed: Error | undefined;
  // Who waits for the look under way, and who has asked since it began.
  let [looking, next] = [waiting(), waiting()];

  async function run(): Promise<void> {
    let known = NO_LOOK;
    let told = { ms: 0 };
    for (let looks = 0; subscribers > 0 && closed === undefined; looks += 1) {
      if (looks % SUMMARIZE_EVERY_LOOKS === 0) {
        // The looks do not wait for it, and there is always a next time.
        summarizing ??= summarize()
          .catch(() => {})
          .finally(() => (summarizing = undefined));
      }
      [looking, next] = [next, waiting()];
      try {
        known = look(known, await see());
        if (isUnflushed(known)) await flush();
        told = await tell(heldBackMs(known), told.ms, known.last!.xmin);
        looking.resolve(known.horizon ?? next.promise);
      } catch (error) {
        known = NO_LOOK;
        looking.reject(error);
      }
      await sleep(LOOK_EVERY_MS);
    }
    running = undefined;
    heldBack(0);
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
      if (subscribers === READERS_MAX) throw new TooManyReaders();
      subscribers += 1;
      return {
        next() {
          if (closed !== undefined) return Promise.reject(closed);
          const { promise } = next;
          running ??= run();
          return promise;
        },
        end: () => void (subscribers -= 1),
      };
    },
    async close(reason) {
      closed = reason;
      looking.reject(reason);
      next.reject(reason);
      await Promise.all([running, summarizing]);
    },
  };
}

function waiting(): PromiseWithResolvers<Horizon> {
  const deferred = Promise.withResolvers<Horizon>();
  deferred.promise.catch(() => {}); // Nobody may wait.
  return deferred;
}
