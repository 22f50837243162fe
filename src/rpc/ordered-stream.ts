import { createPause } from "./pause.ts";

/** What an ordered stream needs to know of its items. */
export type OrderedStreamOptions<Item, Grant, Result> = {
  /** Results of one key come in the order of their items. Keys do not wait for each other. */
  readonly keyOf: (item: Item) => string;
  /** Waits until the next item may start: backpressure. If it rejects, reading ends. */
  readonly admit: () => Promise<Grant>;
  /** Starts an item, beside those that run already. It never rejects. */
  readonly run: (item: Item, grant: Grant) => Promise<Result>;
  /** How many items may be started whose results the consumer has not read. */
  readonly unreadMax: number;
  /** Fires when the consumer is gone: then nothing more is started. */
  readonly signal: AbortSignal;
  /** Fires to stop reading. The items that were started are answered, then `stopped` is thrown. */
  readonly stopping: AbortSignal;
  readonly stopped: () => Error;
};

/**
 * An ordered, bounded, per-key stream: reads items, runs them concurrently, and yields each result
 * once it is there, in order within a key. Flow control: the next item is read only while fewer
 * than `unreadMax` results are unread and `admit` lets it in, so the sender is held back
 * (backpressure) and nothing is dropped. It knows nothing of points.
 *
 * @throws what the reader or `admit` threw, after the results of all items that were started
 */
export async function* orderedStream<Item, Grant, Result>(
  items: AsyncIterable<Item>,
  options: OrderedStreamOptions<Item, Grant, Result>,
): AsyncGenerator<Result> {
  const { unreadMax, signal, stopping, stopped } = options;
  const ready: Result[] = [];
  const lastOfKey = new Map<string, Promise<void>>();
  let unread = 0;
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  signal.addEventListener("abort", wake, { once: true });
  stopping.addEventListener("abort", wake, { once: true });

  async function deliver(result: Promise<Result>, before?: Promise<void>) {
    const [done] = await Promise.all([result, before]);
    ready.push(done);
  }

  function start(item: Item, grant: Grant): void {
    unread += 1;
    const key = options.keyOf(item);
    const result = options.run(item, grant);
    const delivered: Promise<void> = deliver(result, lastOfKey.get(key)).then(() => {
      if (lastOfKey.get(key) === delivered) lastOfKey.delete(key);
      return wake();
    });
    lastOfKey.set(key, delivered);
  }

  async function read(): Promise<void> {
    const pause = createPause();
    for await (const item of items) {
      await pause();
      while (unread >= unreadMax && !signal.aborted) await changed.promise;
      const grant = await options.admit();
      signal.throwIfAborted();
      if (stopping.aborted) throw stopped();
      start(item, grant);
    }
  }

  let reading = true;
  const end = read().finally(() => {
    reading = false;
    wake();
  });
  end.catch(() => {}); // It is awaited below, but may fail before.
  const pause = createPause();
  try {
    while ((reading && !stopping.aborted) || unread > 0) {
      const next = ready.shift();
      if (next === undefined) {
        await changed.promise;
        continue;
      }
      yield next;
      unread -= 1;
      wake();
      await pause();
    }
  } finally {
    stopping.removeEventListener("abort", wake);
  }
  if (reading) throw stopped();
  await end;
}
