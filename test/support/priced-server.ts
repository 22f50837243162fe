import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestDatabase } from "./database.ts";
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
