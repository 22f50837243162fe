import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  bigints,
  bytes,
  rowsOfKeys,
  smallints,
  texts,
  times,
} from "../../src/store/driver/columns.ts";
import { inTransaction } from "../../src/store/driver/transaction.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const COLUMNS = [
  { name: "texts", column: texts, values: ["", "a", "é€🙂", `{"a,b"}`, "\\", "NULL", null] },
  {
    name: "bigints",
    column: bigints,
    values: [0n, 1n, -1n, 2n ** 53n - 1n, 2n ** 63n - 1n, -(2n ** 63n), null],
  },
  { name: "smallints", column: smallints, values: [0, 1000, -32768, 32767, null] },
  {
    name: "bytes",
    column: bytes,
    values: [new Uint8Array(), Uint8Array.of(0, 127, 128, 255), null],
    asText: ["\\x", "\\x007f80ff", null],
  },
  {
    name: "times",
    column: times,
    values: [0n, -1n, 946_684_800_000_000n, 1_795_700_000_123_456n, 253_402_300_799_999_999n, null],
    asText: [
      "1970-01-01 00:00:00+00",
      "1969-12-31 23:59:59.999999+00",
      "2000-01-01 00:00:00+00",
      "2026-11-26 13:33:20.123456+00",
      "9999-12-31 23:59:59.999999+00",
      null,
    ],
  },
];

test.for(COLUMNS)("PostgreSQL reads $name as they are", async ({ column, values, asText }) => {
  const expected = asText ?? values.map((value) => value?.toString() ?? null);
  expect(await read(column as typeof texts, values as string[])).toEqual(expected);
});

test.for(COLUMNS)("$name may be none", async ({ column }) => {
  expect(await read(column as typeof texts, [])).toEqual([]);
});

test.for([2n ** 63n, -(2n ** 63n) - 1n, 2n ** 64n + 5n])("%d is refused and not cut", (value) => {
  expect(() => bigints([value], (same) => same)).toThrow(RangeError);
});

test.for([32768, -32769, 65_541])("%d is refused as a smallint", (value) => {
  expect(() => smallints([value], (same) => same)).toThrow(RangeError);
});

test("keys are rows of two columns", async () => {
  const keys = [
    { userId: "ann", number: 1n },
    { userId: "bob", number: 22n },
  ];
  const { rows } = await inTransaction(database.orm, ({ run }) =>
    run(sql`select * from ${rowsOfKeys(keys, "number")} as named`),
  );
  expect(rows).toEqual([
    { user_id: "ann", number: "1" },
    { user_id: "bob", number: "22" },
  ]);
});

/** A column's values, as PostgreSQL writes them. */
async function read(
  column: typeof texts,
  values: readonly string[],
): Promise<readonly (string | null)[]> {
  const { rows } = await inTransaction(database.orm, ({ run }) =>
    run(sql<{ value: string | null }>`select ${column(values, (value) => value)}::text as value`),
  );
  return rows.map(({ value }) => value);
}
