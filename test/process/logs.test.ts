import { afterAll, beforeAll, expect, test } from "vitest";
import { describeError } from "../../src/errors/describe.ts";
import { clientWith, digestOf, tokenOf, writeCallers } from "../support/callers.ts";
import { testDatabase, type TestDatabase } from "../support/database.ts";
import { refusalOf } from "../support/error-info.ts";
import { startPoints, temporaryFolder } from "../support/processes.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

test("a bug is answered with an id alone, and logged under it without anybody's data", async () => {
  const folder = await temporaryFolder();
  const callers = await writeCallers(folder, { billing: { scopes: ["points.grant"] } });
  // What no check before it has kept out, as a bug would be.
  await database.query("alter table points.entry add check (user_id <> 'secret-user')");
  const environment = { ...callers, DATABASE_URL: database.url, LOG_LEVEL: "trace" };
  const points = await startPoints(environment);
  const client = clientWith(points.baseUrl, tokenOf("billing"));
  const request = {
    userId: "secret-user",
    points: 987_654n,
    requestId: "order-1", // A call is logged by it, at debug.
    metadata: { "secret-key": 'secret-value {\u2028"}' },
  };
  const refusal = await refusalOf(client.recharge(request));
  expect(refusal).toMatchObject({ code: "Internal", reason: "INTERNAL" });
  const { error_id: id, ...rest } = refusal.metadata;
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(rest).toEqual({});
  expect(refusal).toMatchObject({ message: `internal error ${id}`, fields: [] });

  const stranger = clientWith(points.baseUrl, `${tokenOf("stranger")}-secret`);
  expect((await refusalOf(stranger.recharge(request))).code).toBe("Unauthenticated");
  const { stdout, stderr } = await points.end("SIGTERM");
  for (const text of ["secret", "987654", tokenOf("billing"), digestOf("billing"), "insert into"]) {
    expect(stdout + stderr).not.toContain(text);
  }
  const events = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.find(({ errorId }) => errorId === id)).toMatchObject({
    msg: "a call failed",
    err: { code: "23514", table: "entry", severity: "ERROR", stack: expect.any(String) as string },
  });
});

test.each([
  ["a value that it cannot read", "select 'secret'::text::int"],
  ["a value that is too long", "select cast(repeat('secret', 99) as bit(3))"],
  [
    "a key that is there",
    "insert into points.receipt select 'secret', 1, 1, false, 'secret', $1, $1 from generate_series(1, 2)",
  ],
  ["a function of its own", "do $$ begin raise exception 'secret'; end $$"],
  ["a statement with a value in it", "select * from points.entry where user_id = 'secret' and"],
])("of PostgreSQL's complaint of %s no value is logged", async (_, statement) => {
  const values = statement.includes("$1") ? [Buffer.alloc(32)] : [];
  const error = await database.query(statement, values).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  const wrapped = new Error("it failed", { cause: error });
  const described = describeError(wrapped);
  expect(described).toMatchObject({ message: "it failed", cause: { severity: "ERROR" } });
  expect(JSON.stringify(described)).not.toContain("secret");
});

test("what is long is cut, and what is no error has its type alone", () => {
  const error = new Error("x".repeat(10_000));
  expect(describeError(error)["message"]).toHaveLength(1_000);
  expect(describeError("secret")).toEqual({ type: "string" });
  let nested = error;
  for (let depth = 0; depth < 50; depth += 1) nested = new Error("y", { cause: nested });
  expect(JSON.stringify(describeError(nested)).length).toBeLessThan(20_000);
});
