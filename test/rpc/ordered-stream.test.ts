import { setTimeout as sleep } from "node:timers/promises";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import { describe, expect, test } from "vitest";
import { orderedStream, type OrderedStreamOptions } from "../../src/rpc/ordered-stream.ts";

type Item = { readonly key: string; readonly name: string };
type Deferred = PromiseWithResolvers<string>;

describe("order", () => {
  test("within a key is the items' order, whatever is done first", async () => {
    const { stream, finish } = opened(["a1", "a2", "a3"]);
    const results = gather(stream);
    await settled();
    finish("a3", "a2", "a1");
    expect(await results).toEqual(["a1", "a2", "a3"]);
  });

  test("between keys there is none: a key does not wait for another", async () => {
    const { stream, finish } = opened(["a1", "b1", "a2", "b2"]);
    const first = [stream.next(), stream.next()];
    await settled();
    finish("b2", "b1");
    expect((await Promise.all(first)).map(({ value }) => value)).toEqual(["b1", "b2"]);
    finish("a2", "a1");
    expect(await gather(stream)).toEqual(["a1", "a2"]);
  });

  test("of 1,000 items that take different times is kept in each of 7 keys", async () => {
    const names = Array.from({ length: 1_000 }, (_, n) => `${"abcdefg"[(n * n) % 7]}${n}`);
    const { stream } = opened(names, {
      async run({ name }) {
        await sleep((Number(name.slice(1)) * 31) % 6);
        return name;
      },
    });
    const results = await gather(stream);
    for (const key of "abcdefg") {
      const ofKey = (name: string) => name.startsWith(key);
      expect(results.filter(ofKey)).toEqual(names.filter(ofKey));
    }
    expect(results).toHaveLength(1_000);
  });
});

describe("backpressure", () => {
  test("at most unreadMax results are unread, and each that is read lets one more item in", async () => {
    const names = Array.from({ length: 20 }, (_, n) => `${n}`);
    const { stream, started, read } = opened(names, { unreadMax: 3, run: named });
    // The first result was asked for, and is read when the second one is.
    await stream.next();
    await settled();
    expect(started).toHaveLength(3);
    // One more waits to be let in.
    expect(read()).toBe(4);
    await stream.next();
    await settled();
    expect(started).toHaveLength(4);
    expect(await gather(stream)).toHaveLength(18);
    expect(started).toEqual(names);
  });

  test("results that are not there yet count as unread", async () => {
    const { stream, started, finish } = opened(["a", "b", "c"], { unreadMax: 2 });
    const results = gather(stream);
    await settled();
    expect(started).toEqual(["a", "b"]);
    finish("a");
    await settled();
    expect(started).toEqual(["a", "b", "c"]);
    finish("b", "c");
    expect(await results).toEqual(["a", "b", "c"]);
  });

  test("no item starts, and none is read, before the one before it was admitted", async () => {
    const grants: PromiseWithResolvers<number>[] = [];
    const given: number[] = [];
    const { stream, read } = opened(["a", "b"], {
      admit() {
        grants.push(Promise.withResolvers());
        return grants.at(-1)!.promise;
      },
      async run({ name }, grant) {
        given.push(grant);
        return name;
      },
    });
    const results = gather(stream);
    await settled();
    expect([read(), grants.length, given]).toEqual([1, 1, []]);
    grants[0]!.resolve(7);
    await settled();
    expect([read(), grants.length, given]).toEqual([2, 2, [7]]);
    grants[1]!.resolve(8);
    expect(await results).toEqual(["a", "b"]);
    expect(given).toEqual([7, 8]);
  });
});

describe("the stop signal", () => {
  test("ends the reading: what was started is answered, then the stream throws", async () => {
    const stop = new AbortController();
    const items = createWritableIterable<Item>();
    const { stream, started, finish } = opened(items, { stopping: stop.signal });
    const results = gatherUntilError(stream);
    await items.write(itemOf("a1"));
    await items.write(itemOf("b1"));
    await settled();
    stop.abort();
    await settled();
    finish("b1", "a1");
    expect(await results).toEqual({ results: ["b1", "a1"], error: new Error("stopped") });
    void items.write(itemOf("a2"));
    await settled();
    expect(started).toEqual(["a1", "b1"]);
  });

  test("ends a stream at once whose sender is silent", async () => {
    const stop = new AbortController();
    const { stream } = opened(createWritableIterable<Item>(), { stopping: stop.signal });
    const results = gatherUntilError(stream);
    await settled();
    stop.abort();
    expect(await results).toEqual({ results: [], error: new Error("stopped") });
  });

  test("is too late for a stream that has been read to its end", async () => {
    const stop = new AbortController();
    const { stream, finish } = opened(["a"], { stopping: stop.signal });
    const results = gather(stream);
    await settled();
    stop.abort();
    finish("a");
    expect(await results).toEqual(["a"]);
  });
});

describe("a failure", () => {
  test("of the reader comes after the results of what it had read", async () => {
    async function* failing() {
      yield itemOf("a1");
      yield itemOf("b1");
      throw new Error("cut");
    }
    const { stream, finish } = opened(failing());
    const results = gatherUntilError(stream);
    await settled();
    finish("b1", "a1");
    expect(await results).toEqual({ results: ["b1", "a1"], error: new Error("cut") });
  });

  test("of an admission ends the reading, and comes after the results too", async () => {
    let admitted = 0;
    const { stream, started, finish } = opened(["a1", "a2", "a3"], {
      async admit() {
        admitted += 1;
        if (admitted === 2) throw new Error("out");
        return admitted;
      },
    });
    const results = gatherUntilError(stream);
    await settled();
    finish("a1");
    expect(await results).toEqual({ results: ["a1"], error: new Error("out") });
    expect(started).toEqual(["a1"]);
  });
});

describe("a consumer that is gone", () => {
  test.each(["reads no more", "leaves the stream"])(
    "and %s has nothing more started",
    async (how) => {
      const gone = new AbortController();
      const names = Array.from({ length: 20 }, (_, n) => `${n}`);
      const { stream, started } = opened(names, { unreadMax: 3, signal: gone.signal, run: named });
      await stream.next();
      await settled();
      gone.abort(new Error("gone"));
      const end = how === "leaves the stream" ? stream.return(undefined) : undefined;
      await settled();
      expect(started).toHaveLength(3);
      await end;
      const left = how === "leaves the stream" ? [] : ["1", "2"];
      const rest = await gatherUntilError(stream);
      expect(rest.results).toEqual(left);
      expect(started).toHaveLength(3);
    },
  );
});

/**
 * A stream of items, the first character of each being its key, that are done when a test says so.
 */
function opened(
  given: readonly string[] | AsyncIterable<Item>,
  options: Partial<OrderedStreamOptions<Item, number, string>> = {},
) {
  const started: string[] = [];
  const waiting = new Map<string, Deferred>();
  let read = 0;
  async function* counted() {
    const items = Array.isArray(given) ? given.map(itemOf) : (given as AsyncIterable<Item>);
    for await (const item of items) {
      read += 1;
      yield item;
    }
  }
  const run = (item: Item, grant: number) => {
    started.push(item.name);
    if (options.run !== undefined) return options.run(item, grant);
    const deferred = Promise.withResolvers<string>();
    waiting.set(item.name, deferred);
    return deferred.promise;
  };
  const stream = orderedStream<Item, number, string>(counted(), {
    keyOf: ({ key }) => key,
    admit: () => Promise.resolve(0),
    unreadMax: 1_000,
    signal: new AbortController().signal,
    stopping: new AbortController().signal,
    stopped: () => new Error("stopped"),
    ...options,
    run,
  });
  const finish = (...names: string[]) => {
    for (const name of names) waiting.get(name)!.resolve(name);
  };
  return { stream, started, finish, read: () => read };
}

function itemOf(name: string): Item {
  return { key: name.slice(0, 1), name };
}

async function named({ name }: Item): Promise<string> {
  return name;
}

/** Waits until everything that can go on without the test has gone on. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await sleep(0);
}

async function gather(stream: AsyncGenerator<string>): Promise<string[]> {
  const { results, error } = await gatherUntilError(stream);
  if (error !== undefined) throw error;
  return results;
}

async function gatherUntilError(stream: AsyncGenerator<string>) {
  const results: string[] = [];
  try {
    for await (const result of stream) results.push(result);
  } catch (error) {
    return { results, error };
  }
  return { results };
}
