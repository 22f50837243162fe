import { takeInTurn } from "./turns.ts";

/**
 * Group commit, without knowing what is committed: items that arrive while a batch is under way
 * are the next batch. There is no timer, so an idle service answers at once, and a busy one batches
 * more the busier it is.
 */
export type Batcher<Item, Result> = {
  /**
   * Queues one item and gives its result.
   *
   * @param signal when it fires, the caller no longer waits. An item that is still queued is then
   * dropped; one that is in a batch runs on
   * @throws {QueueFull} at once, if the queue has no room
   * @throws {Draining} at once, after `drain` was called
   * @throws {Abandoned} when `signal` fires first
   * @throws what `run` threw for its batch
   */
  submit(item: Item, signal?: AbortSignal): Promise<Result>;
  /** Admits nothing more, and resolves when everything that was queued has its result. */
  drain(): Promise<void>;
  /** How many items wait for a batch. */
  queued(): number;
};

export type BatcherOptions<Item, Result> = {
  /** How many batches may be under way at once. */
  readonly lanes: number;
  /**
   * Whose an item is, any whole number: items of one are never reordered, and share a lane. Where
   * a lane has more than a batch takes, they take turns.
   */
  readonly ownerOf: (item: Item) => number;
  /**
   * Runs one batch: as many results as items, in their order.
   *
   * @param waitedMs how long the one that came first was queued
   */
  readonly run: (items: readonly Item[], waitedMs: number) => Promise<readonly Result[]>;
  readonly batchMaxOps: number;
  /** Of all lanes together. */
  readonly queueMaxOps: number;
};

/** The queue has no room: nothing was queued. */
export class QueueFull extends Error {}

/** The batcher is stopping: nothing was queued. */
export class Draining extends Error {}

/** The caller went away first. */
export class Abandoned extends Error {
  /** Whether the item was still queued: then it was dropped, and will never run. */
  readonly dropped: boolean;

  constructor(dropped: boolean, cause: unknown) {
    super("the caller no longer waits", { cause });
    this.dropped = dropped;
  }
}

type Ticket<Item, Result> = {
  readonly item: Item;
  readonly owner: number;
  /** As `performance.now()` counts. */
  readonly queuedAt: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
  /** To its caller's signal. */
  readonly listenNoMore: () => void;
};

// Whoever is told goes on at once, and a whole batch of them would keep the thread from what the
// database has answered meanwhile: both would wait for each other in turn. Told eight at a time,
// 256 callers got 14% more done.
const TOLD_AT_ONCE = 8;

type Lane<Item, Result> = { queue: Ticket<Item, Result>[]; busy: boolean };

/** Makes a batcher. */
export function createBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): Batcher<Item, Result> {
  const { run, ownerOf, batchMaxOps, queueMaxOps } = options;
  const lanes = Array.from({ length: options.lanes }, (): Lane<Item, Result> => ({
    queue: [],
    busy: false,
  }));
  let queued = 0;
  let untold = 0;
  let drained: (() => void) | undefined;

  function submit(item: Item, signal?: AbortSignal): Promise<Result> {
    if (drained !== undefined) return Promise.reject(new Draining("the server is stopping"));
    if (queued >= queueMaxOps) return Promise.reject(new QueueFull("the queue is full"));
    if (signal?.aborted === true) return Promise.reject(new Abandoned(true, signal.reason));

    return new Promise((resolve, reject) => {
      const owner = ownerOf(item);
      const lane = lanes[owner % lanes.length]!;
      const abandon = () => {
        const dropped = takeOut(lane.queue, ticket);
        if (dropped) queued -= 1;
        reject(new Abandoned(dropped, signal?.reason));
      };
      const listenNoMore = () => signal?.removeEventListener("abort", abandon);
      const queuedAt = performance.now();
      const ticket = { item, owner, queuedAt, resolve, reject, listenNoMore };
      signal?.addEventListener("abort", abandon, { once: true });

      lane.queue.push(ticket);
      queued += 1;
      if (!lane.busy) void work(lane);
    });
  }

  async function work(lane: Lane<Item, Result>): Promise<void> {
    lane.busy = true;
    // What arrived in the same turn of the event loop belongs to the same batch.
    await Promise.resolve();
    while (lane.queue.length > 0) {
      const batch = takeInTurn(lane.queue, batchMaxOps, ({ owner }) => owner);
      queued -= batch.length;
      untold += batch.length;
      tell(await runBatch(run, batch));
    }
    lane.busy = false;
    if (isIdle()) drained?.();
  }

  /** Lets callers go on, the first of them at once. */
  function tell(callers: readonly (() => void)[]): void {
    const now = callers.slice(0, TOLD_AT_ONCE);
    for (const goOn of now) goOn();
    untold -= now.length;
    const later = callers.slice(TOLD_AT_ONCE);
    if (later.length > 0) setImmediate(tell, later);
    else if (isIdle()) drained?.();
  }

  function isIdle(): boolean {
    return untold === 0 && lanes.every((lane) => !lane.busy);
  }

  function drain(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = drained;
    drained = () => {
      before?.();
      resolve();
    };
    if (isIdle()) drained();
    return promise;
  }

  return { submit, drain, queued: () => queued };
}

/** Whether it was there. */
function takeOut<T>(queue: T[], ticket: T): boolean {
  const place = queue.indexOf(ticket);
  if (place === -1) return false;
  queue.splice(place, 1);
  return true;
}

/** Runs a batch, and gives what tells each of its callers the result. It never throws. */
async function runBatch<Item, Result>(
  run: BatcherOptions<Item, Result>["run"],
  batch: readonly Ticket<Item, Result>[],
): Promise<readonly (() => void)[]> {
  const waitedMs = performance.now() - batch[0]!.queuedAt;
  try {
    const items = batch.map(({ item }) => item);
    const results = await run(items, waitedMs);
    if (results.length !== batch.length) throw new Error("a batch lost results");
    return batch.map(({ listenNoMore, resolve }, index) => () => {
      listenNoMore();
      resolve(results[index]!);
    });
  } catch (error) {
    return batch.map(({ listenNoMore, reject }) => () => {
      listenNoMore();
      reject(error);
    });
  }
}
