import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestDatabase } from "./database.ts";
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
  const sql = `select expire_time <= clock_timestamp() as past from points.${table}
    where user_id = $1 and number = $2`;
  return (await query(sql, [userId, String(number)]))[0]!["past"] as boolean;
}

/**
 * Sets the time of a lot or a hold to now by the database's clock, so that it is past: a time that
 * is a little ahead may come too early on a slow machine. Gives it, as protobuf has it.
 */
export async function makeDue(
  { query }: TestDatabase,
  table: "lot" | "hold",
  userId: string,
  number: bigint,
): Promise<{ seconds: bigint; nanos: number }> {
  const sql = `update points.${table} set expire_time = clock_timestamp()
    where user_id = $1 and number = $2
    returning (extract(epoch from expire_time) * 1000000)::bigint::text as micros`;
  const [row] = await query(sql, [userId, String(number)]);
  const micros = BigInt(row!["micros"] as string);
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
