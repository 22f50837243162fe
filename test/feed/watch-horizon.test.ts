import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { Look } from "../../src/feed/horizon.ts";
import { watchHorizon } from "../../src/feed/watch-horizon.ts";
import { until } from "../support/processes.ts";

test("the WAL is taken to the disk where nobody else does it", async () => {
  let flushedLsn = 90n;
  let looks = 0n;
  const watch = watchHorizon({
    look: async () => {
      looks += 1n;
      if (looks > 20n) throw new Error("nobody takes the WAL to the disk");
      const place = { xmin: 10n, xmax: 10n, lsn: 100n, flushedLsn };
      return { epoch: 1n, beginTime: 1n, time: looks * 50_000n, ...place };
    },
    flush: async () => {
      flushedLsn = 100n;
    },
    summarize: () => Promise.resolve(),
    describeOldest: async () => "nobody",
    heldBack: () => {},
    log: pino({ level: "silent" }),
  });
  const reader = watch.subscribe();
  expect(await reader.next()).toMatchObject({ feed: 10n, lsn: 100n });
  // Twice it waited for others.
  expect(looks).toBe(4n);
  reader.end();
  await watch.close(new Error("over"));
});

// The caller may have a cursor that another server gave it since the look was taken.
test("who asks while a look is under way gets what the one after it sees", async () => {
  const looks: PromiseWithResolvers<Look>[] = [];
  const watch = watchHorizon({
    look() {
      looks.push(Promise.withResolvers());
      return looks.at(-1)!.promise;
    },
    flush: async () => {},
    summarize: () => Promise.resolve(),
    describeOldest: async () => "nobody",
    heldBack: () => {},
    log: pino({ level: "silent" }),
  });
  const answer = (xmin: bigint) => {
    const place = { xmin, xmax: xmin, lsn: 100n, flushedLsn: 100n };
    looks.at(-1)!.resolve({ epoch: 1n, beginTime: 1n, time: xmin, ...place });
  };
  const [one, other] = [watch.subscribe(), watch.subscribe()];
  const asked = one.next();
  const askedLater = other.next();
  answer(10n);
  expect(await asked).toMatchObject({ feed: 10n });
  await until("it looks again", () => looks.length === 2);
  answer(12n);
  expect(await askedLater).toMatchObject({ feed: 12n });
  one.end();
  other.end();
  await watch.close(new Error("over"));
});

test("a reader who comes just after the last one has gone is not kept waiting", async () => {
  const summarizing = Promise.withResolvers<void>();
  let time = 0n;
  const watch = watchHorizon({
    look: async () => {
      time += 50_000n;
      const place = { xmin: 10n, xmax: 10n, lsn: 100n, flushedLsn: 100n, lags: false };
      return { epoch: 1n, beginTime: 1n, time, ...place };
    },
    flush: async () => {},
    summarize: () => summarizing.promise,
    describeOldest: async () => "nobody",
    heldBack: () => {},
    log: pino({ level: "silent" }),
  });
  const first = watch.subscribe();
  await first.next();
  first.end();
  // The looks end before the next one is due.
  await sleep(100);
  const second = watch.subscribe();
  expect(await second.next()).toMatchObject({ feed: 10n });
  second.end();
  summarizing.resolve();
  await watch.close(new Error("over"));
});
