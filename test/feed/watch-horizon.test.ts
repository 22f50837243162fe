import { pino } from "pino";
import { expect, test } from "vitest";
import { watchHorizon } from "../../src/feed/watch-horizon.ts";

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
