import fc from "fast-check";
import { expect, test } from "vitest";
import { feedNumber } from "../../src/store/batch/feed.ts";

test.each([
  { what: "a new account's is the transaction's id", last: undefined, feed: 8n },
  { what: "it follows a smaller one", last: { epoch: 2n, feed: 7n }, feed: 8n },
  { what: "it stays in the same transaction", last: { epoch: 2n, feed: 8n }, feed: 8n },
  { what: "it does not fall behind a younger batch", last: { epoch: 2n, feed: 9n }, feed: 9n },
  { what: "it begins anew in another epoch", last: { epoch: 1n, feed: 99n }, feed: 8n },
  { what: "an account without entries has none", last: { epoch: 0n, feed: 0n }, feed: 8n },
])("a feed number: $what", ({ last, feed }) => {
  expect(feedNumber({ epoch: 2n, transactionId: 8n }, last)).toBe(feed);
});

test("whatever transactions come, an account's places never fall, and no number is below its own id", () => {
  const transaction = fc.record({ isNewEpoch: fc.boolean(), transactionId: fc.bigInt(1n, 50n) });
  fc.assert(
    fc.property(fc.array(transaction), (transactions) => {
      let last = { epoch: 1n, feed: 0n };
      for (const { isNewEpoch, transactionId } of transactions) {
        const epoch = isNewEpoch ? last.epoch + 1n : last.epoch;
        const next = { epoch, feed: feedNumber({ epoch, transactionId }, last) };
        expect(next.feed).toBeGreaterThanOrEqual(transactionId);
        const least = isNewEpoch ? 1n : last.feed;
        expect(next.feed).toBeGreaterThanOrEqual(least);
        last = next;
      }
    }),
  );
});
