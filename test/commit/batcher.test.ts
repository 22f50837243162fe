import { describe, expect, test } from "vitest";
import {
  Abandoned,
  type Batcher,
  createBatcher,
  Draining,
  LATER,
  QueueFull,
} from "../../src/commit/batcher.ts";

describe("a batcher", () => {
  test("commits one item alone at once, and what arrives meanwhile together", async () => {
    const { batcher, batches, finish } = harness();
    const first = submit(batcher, 1);
    await turn();
    const rest = [2, 3, 4].map((item) => submit(batcher, item));
    await finish();
    await finish();
    expect(await Promise.all([first, ...rest])).toEqual(["1!", "2!", "3!", "4!"]);
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  test("puts what arrives in one turn of the event loop into one batch", async () => {
    const { batcher, batches, finish } = harness();
    const all = [1, 2, 3].map((item) => submit(batcher, item));
    await finish();
    await Promise.all(all);
    expect(batches).toEqual([[1, 2, 3]]);
  });

  test("runs one batch a lane at a time, and lanes beside each other", async () => {
    const { batcher, batches, finish } = harness({ lanes: 2 });
    const all = [1, 2, 3, 4].map((item) => submit(batcher, item));
    await turn();
    expect(batches.toSorted((a, b) => a[0]! - b[0]!)).toEqual([
      [1, 3],
      [2, 4],
    ]);
    const more = submit(batcher, 5);
    await turn();
    expect(batches).toHaveLength(2);
    await finish();
    await finish();
    await finish();
    await Promise.all([...all, more]);
    expect(batches.at(-1)).toEqual([5]);
  });

  test("bounds a batch, and keeps the order of a lane across batches", async () => {
    const { batcher, batches, finish } = harness({ batchMaxOps: 2 });
    const all = [1, 2, 3, 4, 5].map((item) => submit(batcher, item));
    await finish();
    await finish();
    await finish();
    await Promise.all(all);
    expect(batches).toEqual([[1, 2], [3, 4], [5]]);
  });

  test("refuses an item at once when the queue is full, and takes it again later", async () => {
    const { batcher, finish } = harness({ queueMaxOps: 2 });
    const first = submit(batcher, 1);
    await turn();
    const queued = [2, 3].map((item) => submit(batcher, item));
    await expect(submit(batcher, 4)).rejects.toThrow(QueueFull);
    await finish();
    await finish();
    await Promise.all([first, ...queued]);
    const later = submit(batcher, 4);
    await finish();
    expect(await later).toBe("4!");
  });

  test("drops a queued item whose caller goes away, and never runs it", async () => {
    const { batcher, batches, finish } = harness();
    const leaving = new AbortController();
    const first = submit(batcher, 1);
    await turn();
    const second = submit(batcher, 2, leaving.signal);
    const third = submit(batcher, 3);
    leaving.abort("gone");
    await expect(second).rejects.toEqual(new Abandoned(true, "gone"));
    expect(batcher.queued()).toBe(1);
    await finish();
    await finish();
    await Promise.all([first, third]);
    expect(batches).toEqual([[1], [3]]);
  });

  test("lets an item that is in a batch run on when its caller goes away", async () => {
    const { batcher, batches, finish } = harness();
    const leaving = new AbortController();
    const item = submit(batcher, 1, leaving.signal);
    await turn();
    leaving.abort("gone");
    await expect(item).rejects.toEqual(new Abandoned(false, "gone"));
    await finish();
    expect(batches).toEqual([[1]]);
  });

  test("refuses a caller whose signal has fired before", async () => {
    const { batcher } = harness();
    await expect(submit(batcher, 1, AbortSignal.abort("gone"))).rejects.toThrow(Abandoned);
  });

  test("gives everybody in a batch its error, and goes on with the next", async () => {
    const { batcher, finish } = harness();
    const failing = [1, 2].map((item) => submit(batcher, item));
    await turn();
    const settled = Promise.allSettled([...failing, submit(batcher, 3)]);
    await finish(new Error("no"));
    await finish();
    const results = await settled;
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  });

  test("runs an item again that is to come later, before what came after it", async () => {
    const batches: number[][] = [];
    const again = new Set([2, 4]);
    const batcher = createBatcher<number, string>({
      ...LIMITS,
      ownerOf: (item) => item % 2,
      batchMaxOps: 4,
      run: async (items) => {
        batches.push([...items]);
        if (batches.length < 3) return items.map((item) => (again.has(item) ? LATER : `${item}!`));
        return items.map((item) => `${item}!`);
      },
    });
    const results = await batcher.submit([1, 2, 3, 4, 5, 6, 7]);
    expect(results).toEqual([1, 2, 3, 4, 5, 6, 7].map((item) => `${item}!`));
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [2, 4, 5, 7],
      [2, 4, 6],
    ]);
  });

  test("drops an item that is to come later when its caller goes away", async () => {
    const batches: number[][] = [];
    const leaving = new AbortController();
    const batcher = createBatcher<number, string>({
      ...LIMITS,
      run: async (items) => {
        batches.push([...items]);
        if (batches.length === 3) leaving.abort("gone");
        return items.map((item) => (item === 1 ? LATER : `${item}!`));
      },
    });
    const [waiting, other] = [submit(batcher, 1, leaving.signal), submit(batcher, 2)];
    await expect(waiting).rejects.toThrow(Abandoned);
    expect(await other).toBe("2!");
    await batcher.drain();
    expect(batches).toEqual([[1, 2], [1], [1]]);
  });

  test("fails a batch that gives fewer results than items", async () => {
    const batcher = createBatcher<number, string>({ ...LIMITS, run: () => Promise.resolve([]) });
    await expect(submit(batcher, 1)).rejects.toThrow("lost results");
  });

  test("drains: admits nothing more, and finishes what is queued", async () => {
    const { batcher, batches, finish } = harness();
    const all = [submit(batcher, 1)];
    await turn();
    all.push(submit(batcher, 2));
    const drained = batcher.drain();
    await expect(submit(batcher, 3)).rejects.toThrow(Draining);
    await finish();
    await finish();
    await drained;
    expect(await Promise.all(all)).toEqual(["1!", "2!"]);
    expect(batches).toEqual([[1], [2]]);
    await batcher.drain();
  });

  test("drains only when all callers of a large batch are settled", async () => {
    const { batcher, finish } = harness();
    const told: string[] = [];
    const items = Array.from({ length: 50 }, (_, index) => index + 1);
    for (const item of items) void submit(batcher, item).then((result) => told.push(result));
    const drained = batcher.drain();
    await finish();
    await drained;
    await turn();
    expect(told).toEqual(items.map((item) => `${item}!`));
  });
});

describe("a caller with several items", () => {
  test("gets all results together, in their order, whatever batches they were in", async () => {
    const { batcher, batches, finish } = harness({ lanes: 2 });
    let isTold = false;
    const results = batcher.submit([4, 1, 3, 2]).finally(() => (isTold = true));
    await finish();
    expect(isTold).toBe(false);
    await finish();
    expect(await results).toEqual(["4!", "1!", "3!", "2!"]);
    expect(batches).toHaveLength(2);
  });

  test("is refused those that the queue has no room for", async () => {
    const { batcher, finish } = harness({ queueMaxOps: 2 });
    const results = batcher.submit([1, 2, 3]);
    await finish();
    expect(await results).toEqual(["1!", "2!", new QueueFull("the queue is full")]);
  });

  test("gets no results at all for no items", async () => {
    const { batcher } = harness();
    expect(await batcher.submit([])).toEqual([]);
  });

  test("learns at once, when it goes away, how far each item came", async () => {
    const { batcher, batches, finish } = harness({ batchMaxOps: 1 });
    const leaving = new AbortController();
    const results = batcher.submit([1, 2, 3], leaving.signal);
    const other = submit(batcher, 4);
    await finish();
    while (batches.length < 2) await turn();
    leaving.abort("gone");
    expect(await results).toEqual([
      "1!",
      new Abandoned(false, "gone"),
      new Abandoned(true, "gone"),
    ]);
    expect(batcher.queued()).toBe(1);
    await finish();
    await finish();
    await other;
    expect(batches).toEqual([[1], [2], [4]]);
    await batcher.drain();
  });

  test("gets the results of one batch though another failed", async () => {
    const { batcher, finish } = harness({ batchMaxOps: 1 });
    const results = batcher.submit([1, 2]);
    await finish(new Error("no"));
    await finish();
    expect(await results).toEqual([new Error("no"), "2!"]);
  });

  test("gets the error that a batch has for one of its items", async () => {
    const batcher = createBatcher<number, string>({
      ...LIMITS,
      run: async (items) => items.map((item) => (item === 2 ? new Error("odd") : `${item}!`)),
    });
    expect(await batcher.submit([1, 2])).toEqual(["1!", new Error("odd")]);
    await expect(submit(batcher, 2)).rejects.toThrow("odd");
  });
});

const LIMITS = { lanes: 1, ownerOf: (item: number) => item, batchMaxOps: 100, queueMaxOps: 100 };

/** A batcher whose batches end when the test says so, one by one. */
function harness(limits: Partial<typeof LIMITS> = {}) {
  const batches: number[][] = [];
  const running: ((error?: Error) => void)[] = [];
  const batcher = createBatcher<number, string>({
    ...LIMITS,
    ...limits,
    run: (items) => {
      batches.push([...items]);
      const { promise, resolve, reject } = Promise.withResolvers<string[]>();
      running.push((error) => (error ? reject(error) : resolve(items.map((item) => `${item}!`))));
      return promise;
    },
  });
  const finish = async (error?: Error) => {
    while (running.length === 0) await turn();
    running.shift()!(error);
    await turn();
  };
  return { batcher, batches, finish };
}

/** Of one item, its error thrown. */
async function submit(
  batcher: Batcher<number, string>,
  item: number,
  signal?: AbortSignal,
): Promise<string> {
  const [result] = await batcher.submit([item], signal);
  if (result instanceof Error) throw result;
  return result!;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
