import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { faultOf } from "../../src/errors/database-fault.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";

// The driver's own errors have no code, so they are recognized by their words. Each is made by the
// driver here, so that a new version with other words fails.

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase({ empty: true });
});
afterAll(() => database.close());

describe("the driver's words tell that the database did not answer:", () => {
  test("a pool that is used up", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const client = await pool.connect();
    // From now on: the first connection may take longer on a slow machine.
    pool.options.connectionTimeoutMillis = 20;
    expect(faultOf(await failureOf(pool.connect()))).toBe("away");
    client.release();
    await pool.end();
  });

  test("an answer that does not come", async () => {
    const client = await connect({ query_timeout: 50 });
    expect(faultOf(await failureOf(client.query("select pg_sleep(60)")))).toBe("timeout");
  });

  test("a connection that is ended while it is asked, and one that was ended before", async () => {
    const client = await connect({});
    const [row] = (await client.query<{ pid: number }>("select pg_backend_pid() as pid")).rows;
    const asked = failureOf(client.query("select pg_sleep(60)"));
    await database.query("select pg_terminate_backend($1)", [row!.pid]);
    expect(faultOf(await asked)).toBe("cut");
    expect(faultOf(await failureOf(client.query("select 1")))).toBe("cut");
  });
});

test.for(["22012", "23505", "42P01"])("an error %s of a statement is a bug", async (code) => {
  const raise = `do $$ begin raise exception using errcode = '${code}'; end $$`;
  expect(faultOf(await failureOf(database.query(raise)))).toBe("bug");
});

async function connect(options: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.url, pipeline: true, ...options });
  client.on("error", () => {});
  await client.connect();
  return client;
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([promise]);
  if (result.status === "fulfilled") throw new Error("it succeeded");
  return result.reason;
}
