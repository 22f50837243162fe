import { expect, test } from "vitest";
import { nextExpirationOf } from "../../src/ledger/next-expiration.ts";

const lot = (remaining: bigint, expireTime: bigint | null) => ({ remaining, expireTime });

test.each<[what: string, lots: ReturnType<typeof lot>[], next: [bigint, bigint] | undefined]>([
  ["no lots", [], undefined],
  ["lots that never expire", [lot(5n, null), lot(6n, null)], undefined],
  ["one lot", [lot(5n, 9n)], [9n, 5n]],
  ["the earliest of several", [lot(5n, 9n), lot(1n, null), lot(6n, 8n), lot(7n, 10n)], [8n, 6n]],
  ["all that expire together", [lot(5n, 9n), lot(7n, 10n), lot(6n, 9n)], [9n, 11n]],
  ["the earliest that has points", [lot(0n, 8n), lot(5n, 9n)], [9n, 5n]],
  ["nothing of spent lots", [lot(0n, 8n)], undefined],
])("of %s", (_, lots, next) => {
  const [time, points] = next ?? [];
  expect(nextExpirationOf(lots)).toEqual(next && { time, points });
});
