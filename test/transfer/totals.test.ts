import fc from "fast-check";
import { expect, test } from "vitest";
import { type Remade, remadeTotals } from "../../src/transfer/totals.ts";

const NONE = { consumed: 0n, revoked: 0n, expired: 0n, refunded: 0n, debt: 0n };

test.each<[Partial<typeof NONE>, Remade]>([
  [
    { consumed: 9n, expired: 2n, refunded: 4n, debt: 3n },
    {
      refunded: { consumed: 4n, revoked: 0n },
      owed: { consumed: 3n, revoked: 0n },
      spent: { consumed: 2n, revoked: 0n, expired: 2n },
    },
  ],
  [
    { consumed: 5n, revoked: 7n, refunded: 6n, debt: 2n },
    {
      refunded: { consumed: 5n, revoked: 1n },
      owed: { consumed: 0n, revoked: 2n },
      spent: { consumed: 0n, revoked: 4n, expired: 0n },
    },
  ],
])("the totals of %o are divided into what makes them again", (all, remade) => {
  expect(remadeTotals({ ...NONE, ...all })).toEqual(remade);
});

const points = fc.bigInt({ min: 0n, max: 20n });
const totals = { consumed: points, revoked: points, expired: points };
const ANY = fc.record({ ...totals, refunded: points, debt: points });

test("the parts add up to the totals, and none is negative", () => {
  fc.assert(
    fc.property(ANY, (given) => {
      const { consumed, revoked, expired, refunded, debt } = given;
      fc.pre(refunded + debt <= consumed + revoked);
      const remade = remadeTotals(given);
      const parts = [remade.refunded, remade.owed, remade.spent];
      const sum = (kind: "consumed" | "revoked") =>
        parts.reduce((total, part) => total + part[kind], 0n);
      expect([sum("consumed"), sum("revoked")]).toEqual([consumed, revoked]);
      expect(remade.spent.expired).toBe(expired);
      expect(remade.refunded.consumed + remade.refunded.revoked).toBe(refunded);
      expect(remade.owed.consumed + remade.owed.revoked).toBe(debt);
      const least = parts.flatMap((part) => [part.consumed, part.revoked]);
      expect(least.filter((part) => part < 0n)).toEqual([]);
    }),
  );
});

test("no more is refunded and owed than was taken", () => {
  fc.assert(
    fc.property(ANY, (given) => {
      fc.pre(given.refunded + given.debt > given.consumed + given.revoked);
      expect(() => remadeTotals(given)).toThrow("consumed or revoked");
    }),
  );
});
