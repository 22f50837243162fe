import type { CloudEvent } from "./cloud-event.ts";
import { trackProgress } from "./progress.ts";

/** A piece of what is to be delivered, and the cursor behind it. */
export type Piece = { readonly events: readonly CloudEvent[]; readonly cursor: string };

/** Where events go. */
export type Sink = {
  /**
   * Gets one event or more. Resolves when all are delivered, and rejects once they cannot be: then the
   * feed ends.
   */
  send(events: readonly CloudEvent[]): Promise<void>;
  /** Backpressure: resolves when there is room for more. */
  room(): Promise<void>;
};

/** The reason with which a feed is ended that has to stop, and not because something failed. */
export const STOPPED = new Error("the feed was told to stop");

/**
 * Delivers pieces until there are no more, or until it is ended, and stores the cursor behind what
 * is delivered: at least once.
 *
 * @param ending ends it: source and sink listen to its signal. What fails aborts it
 * @throws what failed
 */
export async function relay({
  pieces,
  sink,
  store,
  ending,
}: {
  readonly pieces: AsyncIterable<Piece>;
  readonly sink: Sink;
  readonly store: (cursor: string) => Promise<void>;
  readonly ending: AbortController;
}): Promise<void> {
  const fail = (error: unknown) => ending.abort(error);
  const progress = trackProgress(store, fail);
  try {
    for await (const { events, cursor } of pieces) {
      progress.add(cursor, events.length === 0 ? undefined : sink.send(events));
      await sink.room();
      await progress.room();
    }
  } catch (error) {
    fail(error);
  }
  await progress.settled();
  const { aborted, reason } = ending.signal;
  if (aborted && reason !== STOPPED) throw reason;
}
