/**
 * Group commit for any kind of item: a bounded queue whose items leave in batches, one batch at a
 * time. Items that arrive while a batch is under way are the next batch. There is no timer.
 */
export type BatchQueue<Item> = {
  /** @returns false if the queue is full: the item was not queued */
  add(item: Item): boolean;
};

export type BatchQueueOptions<Item> = {
  /** How many of the waiting items are the next batch, from the first on; at least 1. */
  readonly take: (waiting: readonly Item[]) => number;
  /** Sends a batch; the next one starts when it resolves. Must not reject. */
  readonly run: (batch: readonly Item[]) => Promise<void>;
  readonly queueMax: number;
};

/** Makes an empty queue. */
export function createBatchQueue<Item>(options: BatchQueueOptions<Item>): BatchQueue<Item> {
  const { take, run, queueMax } = options;
  const waiting: Item[] = [];
  let isBusy = false;

  async function work(): Promise<void> {
    isBusy = true;
    while (waiting.length > 0) {
      // Items of this turn of the event loop belong to the batch, as do those of callers whom the
      // batch before has just answered.
      await nextTurn();
      await run(waiting.splice(0, take(waiting)));
    }
    isBusy = false;
  }
  return {
    add(item) {
      if (waiting.length >= queueMax) return false;
      waiting.push(item);
      if (!isBusy) void work();
      return true;
    },
  };
}

/** Browsers have no setImmediate; a timer of 0 ms is their next turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}
