import { testDatabase, type TestDatabase } from "./database.ts";
import { testServer } from "./server.ts";

/** The refusal of a caller whom the server no longer knows. */
export const OUT = {
  code: "Unauthenticated",
  reason: "UNAUTHENTICATED",
  outcome: "NOT_APPLIED",
};

/** The refusal of a caller who may no longer do it. */
export const DENIED = {
  code: "PermissionDenied",
  reason: "PERMISSION_DENIED",
  outcome: "NOT_APPLIED",
};

/** A database in which each of these users has 1,000 points. */
export async function databaseOf(...userIds: string[]): Promise<TestDatabase> {
  const database = await testDatabase();
  const open = await testServer({}, database);
  for (const userId of userIds) await open.client.recharge({ userId, points: 1_000n });
  await open.stop();
  return database;
}

export async function balanceOf(database: TestDatabase, userId: string): Promise<bigint> {
  const sql = "select balance from points.account where user_id = $1";
  const [row] = await database.query(sql, [userId]);
  return BigInt(row!["balance"] as string);
}
