import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Allocation } from "../../src/ledger/lot.ts";
import { emptyAccount } from "../../src/ledger/account.ts";
import { sumDueHolds } from "../../src/store/batch/holds.ts";
import { packAllocations, unpackAllocations } from "../../src/store/batch/packed-allocations.ts";
import { databaseNow } from "../../src/store/driver/clock.ts";
import { inSnapshot } from "../../src/store/driver/transaction.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** Small and large ones: each width occurs, and both sides of each boundary. */
const bigint = fc
  .tuple(fc.integer({ min: 0, max: 62 }), fc.bigInt({ min: 0n, max: 2n ** 62n }))
  .map(([bits, value]) => value >> BigInt(bits));
const boundary = fc
  .tuple(fc.constantFrom(8n, 16n, 24n, 32n, 40n, 48n, 56n), fc.constantFrom(-1n, 0n))
  .map(([bits, less]) => 2n ** bits + less);
const number = fc.oneof(bigint, boundary);
const allocations: fc.Arbitrary<Allocation[]> = fc.array(
  fc.record({ lot: number, points: number }),
  { maxLength: 20 },
);

test("allocations are unpacked as they were packed", () => {
  fc.assert(
    fc.property(allocations, (some) => {
      expect(unpackAllocations(packAllocations(some))).toEqual(some);
    }),
  );
});

test.each([
  { what: "none", some: [], hex: undefined },
  { what: "small ones", some: [[1n, 5n]], hex: "11 01 05" },
  {
    what: "as wide as the widest",
    some: [
      [1n, 256n],
      [300n, 1n],
    ],
    hex: "22 0001 0100 012c 0001",
  },
  { what: "more than six bytes", some: [[1n, 2n ** 48n]], hex: "18 01 0001000000000000" },
] as const)("a column has allocations: $what", ({ some, hex }) => {
  const packed = packAllocations(some.map(([lot, points]) => ({ lot, points })));
  const expected = hex === undefined ? null : Buffer.from(hex.replaceAll(" ", ""), "hex");
  expect(packed).toEqual(expected);
});

test("the database unpacks the same allocations, in the same order", async () => {
  const kysely = database.orm.em.fork().getKysely();
  await fc.assert(
    fc.asyncProperty(allocations, async (some) => {
      const { rows } = await sql<{ lot: string; points: string }>`
        select unpacked.* from points.unpack_allocations(${packAllocations(some)}::bytea)
          as unpacked`.execute(kysely);
      expect(rows.map(({ lot, points }) => [BigInt(lot), BigInt(points)])).toEqual(
        some.map(({ lot, points }) => [lot, points]),
      );
    }),
    { numRuns: 60 },
  );
});

test("due holds are summed by their lots", async () => {
  const holds = fc.sample(
    fc.array(fc.record({ lot: fc.bigInt(1n, 5n), points: fc.bigInt(1n, 2n ** 50n) }), {
      minLength: 1,
      maxLength: 9,
    }),
    40,
  );
  for (const [index, some] of holds.entries()) {
    await database.query(
      `insert into points.hold (user_id, number, points, settled, status, expire_time, allocations)
       values ('ada', $1, 1, 0, 'open', now(), $2)`,
      [index + 1, packAllocations(some)],
    );
  }
  const sums = new Map<bigint, bigint>();
  for (const { lot, points } of holds.flat()) sums.set(lot, (sums.get(lot) ?? 0n) + points);

  const summed = await inSnapshot(database.orm, async (run) => {
    const time = await databaseNow(run);
    const salt = new Uint8Array(16);
    return sumDueHolds(run, [{ account: emptyAccount("ada", { salt, createTime: time }), time }]);
  });
  const [hold] = summed.get("ada")!;
  const found = hold!.allocations.map(({ lot, points }) => [lot, points] as const);
  expect(new Map(found)).toEqual(sums);
});

describe("a column is refused that has", () => {
  test.each([
    ["nothing", ""],
    ["widths alone", "11"],
    ["half an allocation", "110105 01"],
    ["a width of 0", "01 05"],
    ["a width that no number has", "71 01020304050607 05"],
  ])("%s", (_, hex) => {
    const packed = Buffer.from(hex.replaceAll(" ", ""), "hex");
    expect(() => unpackAllocations(packed)).toThrow("packed allocations of another form");
  });
});
