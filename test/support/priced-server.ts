import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestDatabase } from "./database.ts";
import { makeLotsEditable } from "./editable-lots.ts";
import { readRefusal } from "./error-info.ts";
import { makeFolder } from "./run-folder.ts";
import { testServer, type TestServer } from "./server.ts";

/** A price list with every kind of price. */
export const PRICES = `version: "v1"
services:
  script: { fixed: 5 }
  image: { quantity: { points: 3, minimum: 4, maximum: 30 } }
  tts: { duration: { points: 1, unit: 1s, maximum: 500 } }
  dear: { quantity: { points: 1000000000000 } }
  caption: free
`;

/** A server with a price list of its own. */
export async function pricedServer(
  prices = PRICES,
  database?: TestDatabase,
  environment: Record<string, string> = {},
): Promise<TestServer> {
  const folder = await makeFolder("prices");
  try {
    const file = join(folder, "prices.yaml");
    await writeFile(file, prices);
    return await testServer({ ...environment, PRICES: file }, database);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Whether a lot or a hold has expired by the database's clock. */
export async function isPast(
  { query }: TestDatabase,
  table: "lot" | "hold",
  userId: string,
  number: bigint,
): Promise<boolean> {
  const sql = `select expire_time <= clock_timestamp() as past from points.${table === "lot" ? "open_lot" : "hold"}
    where user_id = $1 and number = $2`;
  return (await query(sql, [userId, String(number)]))[0]!["past"] as boolean;
}

/**
 * Sets the time of a lot or a hold to now by the database's clock, so that it is past: a time that
 * is a little ahead may come too early on a slow machine. Gives it, as protobuf has it.
 *
 * A closed lot has its time in the entry that made it alone, so that this is changed too.
 */
export async function makeDue(
  { query }: TestDatabase,
  table: "lot" | "hold",
  userId: string,
  number: bigint,
): Promise<{ seconds: bigint; nanos: number }> {
  await makeLotsEditable({ query });
  const [now] = await query(
    `select now::text, (extract(epoch from now) * 1000000)::bigint::text as micros
     from clock_timestamp() as now`,
  );
  const key = "user_id = $1 and number = $2";
  const of = table === "lot" ? "edit.lot" : "points.hold";
  const values = [userId, String(number), now!["now"]];
  await query(`update ${of} set expire_time = $3 where ${key}`, values);
  const entry = "user_id = $1 and sequence = $2";
  if (table === "lot") {
    await query(`update points.entry set expire_time = $3 where ${entry}`, values);
  }
  await query("update points.account set due_time = least(due_time, $2) where user_id = $1", [
    userId,
    now!["now"],
  ]);
  const micros = BigInt(now!["micros"] as string);
  return { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1_000 };
}

/** A call's answer; undefined if the time that it names had come before it. */
export async function unlessLate<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    const { fields } = readRefusal(error);
    if (String(fields) === "expire_time") return undefined;
    throw error;
  }
}
