import { takeRoundRobin } from "./round-robin.ts";

/**
 * Group commit, for any kind of item: items that arrive while a batch is under way form the next
 * batch. There is no timer: an idle service answers at once, and batches grow with the load.
 */
export type Batcher<Item, Result> = {
  /**
   * Queues the items of one caller, and gives a result for each, in their order, once it has them
   * all. It never throws. A result may be an error instead:
   *
   * - {@link QueueFull} (backpressure): the queue had no room for the item,
   * - {@link Draining}: `drain` was called before,
   * - {@link Abandoned}: `signal` fired first,
   * - the error that `run` threw for the item's batch or gave for the item.
   *
   * @param signal when it fires, the caller no longer waits. Items that are still queued are then
   * dropped; items in a batch run on
   */
  submit(items: readonly Item[], signal?: AbortSignal): Promise<readonly (Result | Error)[]>;
  /** Graceful shutdown: admits no more items, and resolves once all queued items are settled. */
  drain(): Promise<void>;
  /** The number of items that wait for a batch. */
  queued(): number;
};

export type BatcherOptions<Item, Result> = {
  /** The number of batches that may be under way at once. */
  readonly lanes: number;
  /**
   * An item's owner, as any whole number. Items of an owner share a lane and are never reordered.
   * If a lane has more items than a batch takes, owners take turns.
   */
  readonly ownerOf: (item: Item) => number;
  /**
   * Runs one batch, and gives a result for each item, in their order. An item whose result is
   * `LATER` runs again in the lane's next batch. All later items of its owner must get `LATER` too.
   *
   * @param waitedMs how long the batch's first item was queued
   */
  readonly run: (
    items: readonly Item[],
    waitedMs: number,
  ) => Promise<readonly (Result | Error | typeof LATER)[]>;
  readonly batchMaxOps: number;
  /** The bound of the queues of all lanes together. */
  readonly queueMaxOps: number;
};

/** Instead of a result: the item has to run again in the next batch. */
export const LATER = Symbol("later");

/** The queue had no room: the item was not queued. */
export class QueueFull extends Error {}

/** The batcher is stopping: the item was not queued. */
export class Draining extends Error {}

/** The caller went away before the item had a result. */
export class Abandoned extends Error {
  /** Whether the item was still queued: then it was dropped and will never run. */
  readonly dropped: boolean;

  constructor(dropped: boolean, cause: unknown) {
    super("the caller no longer waits", { cause });
    this.dropped = dropped;
  }
}

/** The items that one caller waits for. */
type Group<Item, Result> = {
  readonly tickets: Ticket<Item, Result>[];
  /** The number of items without a result. */
  missing: number;
  readonly resolve: (results: (Result | Error)[]) => void;
  readonly signal: AbortSignal | undefined;
  readonly abandon: () => void;
};

type Ticket<Item, Result> = {
  readonly item: Item;
  readonly owner: number;
  readonly lane: Lane<Item, Result>;
  /** In milliseconds of `performance.now()`. */
  readonly queuedAt: number;
  readonly group: Group<Item, Result>;
  result: Result | Error | undefined;
};

type Lane<Item, Result> = { readonly queue: Ticket<Item, Result>[]; busy: boolean };

// A large batch settled in one turn of the event loop starves it: the callers go on at once, and the
// database's next reply waits for them. Eight callers a turn: 14% more throughput at 256 in flight.
const SETTLED_PER_TURN = 8;

/** Makes a batcher. */
export function createBatcher<Item, Result>(
  options: BatcherOptions<Item, Result>,
): Batcher<Item, Result> {
  const { run, ownerOf, batchMaxOps, queueMaxOps } = options;
  const lanes = Array.from({ length: options.lanes }, newLane<Item, Result>);
  let unsettled = 0;
  const drained = Promise.withResolvers<void>();
  let draining = false;

  function submit(
    items: readonly Item[],
    signal?: AbortSignal,
  ): Promise<readonly (Result | Error)[]> {
    return new Promise((resolve) => {
      const abandon = () => abandonGroup(group);
      const group: Group<Item, Result> = { tickets: [], missing: 0, resolve, signal, abandon };
      for (const item of items) enqueue(item, group);
      if (group.missing === 0) return settleCaller(group);
      signal?.addEventListener("abort", abandon, { once: true });
    });
  }

  function enqueue(item: Item, group: Group<Item, Result>): void {
    const result = refusalOf(group.signal);
    const owner = ownerOf(item);
    const lane = lanes[owner % lanes.length]!;
    const ticket = { item, owner, lane, queuedAt: performance.now(), group, result };
    group.tickets.push(ticket);
    if (result !== undefined) return;
    lane.queue.push(ticket);
    group.missing += 1;
    if (!lane.busy) void work(lane);
  }

  function refusalOf(signal: AbortSignal | undefined): Error | undefined {
    if (draining) return new Draining("the server is stopping");
    if (queued() >= queueMaxOps) return new QueueFull("the queue is full");
    return signal?.aborted === true ? new Abandoned(true, signal.reason) : undefined;
  }

  async function work(lane: Lane<Item, Result>): Promise<void> {
    lane.busy = true;
    // What arrived in the same turn of the event loop belongs to the same batch.
    await Promise.resolve();
    while (lane.queue.length > 0) {
      const batch = takeRoundRobin(lane.queue, batchMaxOps, ({ owner }) => owner);
      const { done, later } = await runBatch(run, batch);
      // They go before the items that came after them. Items abandoned meanwhile do not run again.
      lane.queue.unshift(...later.filter(({ result }) => result === undefined));
      unsettled += done.length;
      settle(done);
    }
    lane.busy = false;
    endIfIdle();
  }

  /** Settles callers, the first of them at once, the others in later turns of the event loop. */
  function settle(callers: readonly Group<Item, Result>[]): void {
    const now = callers.slice(0, SETTLED_PER_TURN);
    for (const caller of now) settleCaller(caller);
    unsettled -= now.length;
    const later = callers.slice(SETTLED_PER_TURN);
    if (later.length > 0) setImmediate(settle, later);
    else endIfIdle();
  }

  function queued(): number {
    return lanes.reduce((sum, { queue }) => sum + queue.length, 0);
  }

  function drain(): Promise<void> {
    draining = true;
    endIfIdle();
    return drained.promise;
  }

  function endIfIdle(): void {
    if (draining && unsettled === 0 && lanes.every(({ busy }) => !busy)) drained.resolve();
  }

  return { submit, drain, queued };
}

function newLane<Item, Result>(): Lane<Item, Result> {
  return { queue: [], busy: false };
}

/** Drops the items that are still queued, and settles the caller. */
function abandonGroup<Item, Result>(group: Group<Item, Result>): void {
  const left = group.tickets.filter(({ result }) => result === undefined);
  // One pass over each queue drops all of the caller's items: they may be thousands.
  for (const { queue } of new Set(left.map(({ lane }) => lane))) {
    const kept = queue.filter((ticket) => ticket.group !== group);
    const dropped = queue.filter((ticket) => ticket.group === group);
    for (const ticket of dropped) ticket.result = new Abandoned(true, group.signal?.reason);
    queue.splice(0, queue.length, ...kept);
  }
  for (const ticket of left) ticket.result ??= new Abandoned(false, group.signal?.reason);
  settleCaller(group);
}

function settleCaller<Item, Result>(group: Group<Item, Result>): void {
  group.signal?.removeEventListener("abort", group.abandon);
  group.resolve(group.tickets.map(({ result }) => result!));
}

type Ran<Item, Result> = {
  /** The callers whose results are complete. */
  readonly done: readonly Group<Item, Result>[];
  /** The items that have to run again. */
  readonly later: readonly Ticket<Item, Result>[];
};

/** Runs a batch. It never throws. */
async function runBatch<Item, Result>(
  run: BatcherOptions<Item, Result>["run"],
  batch: readonly Ticket<Item, Result>[],
): Promise<Ran<Item, Result>> {
  const results = await resultsOf(run, batch);
  const done: Group<Item, Result>[] = [];
  const later: Ticket<Item, Result>[] = [];
  for (const [index, ticket] of batch.entries()) {
    const result = results[index]!;
    if (result === LATER) {
      later.push(ticket);
      continue;
    }
    const { group } = ticket;
    ticket.result = result;
    group.missing -= 1;
    if (group.missing === 0) done.push(group);
  }
  return { done, later };
}

async function resultsOf<Item, Result>(
  run: BatcherOptions<Item, Result>["run"],
  batch: readonly Ticket<Item, Result>[],
): Promise<readonly (Result | Error | typeof LATER)[]> {
  const waitedMs = performance.now() - batch[0]!.queuedAt;
  const items = batch.map(({ item }) => item);
  try {
    const results = await run(items, waitedMs);
    if (results.length !== batch.length) throw new Error("a batch lost results");
    return results;
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error("a batch failed", { cause: thrown });
    return batch.map(() => error);
  }
}
