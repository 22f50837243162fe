import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MAX_POINTS } from "../../src/ledger/account.ts";
import type { Lot } from "../../src/ledger/lot.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";
import { toLot } from "../../src/store/batch/found-lots.ts";
import { packedBytesOf, packLots, unpackLots } from "../../src/store/batch/packed-lots.ts";
import { ROW_MAX_LOTS } from "../../src/store/batch/placement.ts";
import type { LotRow } from "../../src/store/driver/entities.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const points = fc.bigInt({ min: 0n, max: MAX_POINTS });
const service = fc.string({ unit: fc.constantFrom("a", "7", "!", "~", ","), minLength: 1 });
const lots: fc.Arbitrary<Lot[]> = fc.array(
  fc.record({
    number: fc.bigInt({ min: 1n, max: 2n ** 62n }),
    points,
    remaining: points,
    frozen: points,
    priority: fc.integer({ min: 0, max: 1_000 }),
    expireTime: fc.oneof(fc.constant(null), fc.bigInt({ min: 1n, max: LAST_INSTANT })),
    category: fc.oneof(fc.constant(""), fc.constantFrom("gift", "付费 🪙".repeat(6))),
    services: fc.oneof(fc.constant([]), fc.array(service, { maxLength: 16 })),
  }),
  { maxLength: ROW_MAX_LOTS },
);

test("lots are unpacked as they were packed", () => {
  fc.assert(
    fc.property(lots, (some) => {
      expect(unpackLots(packLots(some))).toEqual(some);
    }),
  );
});

test("lots take as many bytes as is said of them", () => {
  fc.assert(
    fc.property(lots, (some) => {
      const bytes = some.reduce((sum, lot) => sum + packedBytesOf(lot), 0);
      expect(packLots(some).length).toBe(bytes);
    }),
  );
});

test("the database unpacks the same lots, to the microsecond", async () => {
  const kysely = database.orm.em.fork().getKysely();
  await fc.assert(
    fc.asyncProperty(lots, async (some) => {
      const packed = packLots(some);
      const { rows } = await sql<LotRow>`
        select unpacked.* from points.unpack_lots(${packed}::bytea) as unpacked`.execute(kysely);
      expect(rows.map(toLot)).toEqual(unpackLots(packed));
    }),
    { numRuns: 60 },
  );
});

test.each([
  ["of another length", "00290000"],
  ["cut off", "002a0000000000000001"],
  ["of half a length", "00"],
  ["whose category is cut off", `002c${"00".repeat(42)}0361`],
])("a packed lot %s is refused", (_, hex) => {
  expect(() => unpackLots(Buffer.from(hex, "hex"))).toThrow();
});
