import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { ApplyBatchResponseSchema, OperationResultSchema } from "../../gen/points/v1/points_pb.ts";
import { readTime } from "../../src/transfer/time.ts";
import { auditDatabase } from "../support/audit.ts";
import { clientWith, tokenOf, writeCallers } from "../support/callers.ts";
import {
  csvOf,
  figuresOf,
  fileOf,
  importText,
  isRefused,
  runAt,
  stoppedAfter,
} from "../support/importing.ts";
import { temporaryFolder, until } from "../support/processes.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(async () => {
  await auditDatabase(server.database.url);
  await server.stop();
});

describe("a file of accounts", () => {
  test("creates them with equal totals, and names the mistake of each bad line", async () => {
    const lines = csvOf(
      "ada,70,100,25,5,",
      "bob,10,11,0,0,",
      '"cleo, not",1,1,0,0,',
      "dan,0,40,40,0,",
      "eve,5.5,5.5,0,0,",
      "fay,30,30",
      "gil,2500000000000,2500000000001,1,0,2999-01-31T12:00:00Z",
      "hal,0,0,0,0,",
    );
    const file = await fileOf("user_point.csv", lines.join("\n"));
    const { code, stdout, stderr } = await runAt(server, "import", file);
    expect(stderr.trimEnd().split("\n").toSorted()).toEqual([
      `${file}:3: total_recharged 11 is not balance 10 + total_consumed 0 + total_expired 0`,
      expect.stringMatching(/:4: user_id .* \(FIELD_INVALID\)$/),
      `${file}:6: balance "5.5" is not a whole number from 0 to 9007199254740991, in digits alone`,
      `${file}:7: has 3 values, the head 6 columns`,
    ]);
    expect(stdout).toMatch(/^8 lines, [\d,]+\/s: 3 imported, 1 without points, 4 bad\n$/);
    expect(code).toBe(1);
    const gil = "2500000000000 2500000000001 1 0";
    expect(await figuresOf(server)).toEqual({ ada: "70 100 25 5", dan: "0 40 40 0", gil });
    const { lots } = await server.client.listLots({ userId: "gil" });
    expect(lots.map(({ remaining, expireTime }) => [remaining, expireTime])).toEqual(
      [1_000_000_000_000n, 1_000_000_000_000n, 500_000_000_000n].map((remaining) => [
        remaining,
        timestampFromMs(Date.parse("2999-01-31T12:00:00Z")),
      ]),
    );
  });

  test("splits spent points into parts that one operation may move", async () => {
    const line = "parts,1,3700000000000,2500000000000,1199999999999,";
    for (const before of [0, 1]) {
      expect(await importText(server.client, csvOf(line))).toMatchObject({ before, bad: 0 });
    }
    const figures = { parts: "1 3700000000000 2500000000000 1199999999999" };
    expect(await figuresOf(server)).toMatchObject(figures);
    const { entries } = await server.client.listEntries({ userId: "parts" });
    expect(entries.filter(({ balanceAfter }) => balanceAfter > 1_000_000_000_000n)).toEqual([]);
  });

  test("is idempotent, and refuses other figures for the same user", async () => {
    const line = "again,70,100,25,5,";
    expect(await importText(server.client, csvOf(line))).toMatchObject({ lines: 1, before: 0 });
    expect(await importText(server.client, csvOf(line))).toMatchObject({ lines: 1, before: 1 });
    const others = ["again,71,101,25,5,", "again,70,70,0,0,", `${line}2999-01-31T12:00:00Z`];
    for (const other of others) {
      const { bad, why } = await importText(server.client, csvOf(other));
      const what = "an import of again was made or begun before, and of something else";
      expect({ bad, why }).toEqual({ bad: 1, why: [`2: ${what}: nothing was changed`] });
      expect((await figuresOf(server))["again"]).toBe("70 100 25 5");
    }
  });

  test("can be imported again with bad lines corrected, and good lines stay", async () => {
    const [good, bad, mended] = ["mend-1,1,1,0,0,", "mend-2,2,3,0,0,", "mend-2,3,3,0,0,"];
    expect(await importText(server.client, csvOf(good, bad))).toMatchObject({ bad: 1 });
    const second = await importText(server.client, csvOf(mended, good));
    expect(second).toMatchObject({ lines: 2, before: 1, bad: 0 });
    expect(await figuresOf(server)).toMatchObject({ "mend-1": "1 1 0 0", "mend-2": "3 3 0 0" });
  });

  test("names the first line of a user at the second, even if the first was bad", async () => {
    const twice = "twice,100,100,0,0,";
    const lines = csvOf(twice, twice, "doubt,1,2,0,0,", "doubt,2,2,0,0,");
    const { why, ...counts } = await importText(server.client, lines);
    expect(counts).toEqual({ lines: 4, before: 0, empty: 0, bad: 3 });
    expect(why).toEqual([
      "3: user_id twice is on line 2 already",
      "4: total_recharged 2 is not balance 1 + total_consumed 0 + total_expired 0",
      "5: user_id doubt is on line 4 already",
    ]);
    expect(await figuresOf(server)).toMatchObject({ twice: "100 100 0 0" });
    expect(await figuresOf(server)).not.toHaveProperty("doubt");
  });

  test("skips users who have entries, and takes those who have none", async () => {
    await server.client.recharge({ userId: "there", points: 9n });
    await server.client.getOrCreate({ userId: "empty" });
    const lines = csvOf("there,1,3,2,0,", "empty,1,3,2,0,");
    expect(await importText(server.client, lines)).toMatchObject({
      bad: 1,
      why: ["2: there has entries already, and not by an import: nothing was changed"],
    });
    expect(await figuresOf(server)).toMatchObject({ there: "9 9 0 0", empty: "1 3 2 0" });
  });

  test("keeps each digit of JSON numbers", async () => {
    const line = (id: string, balance: string) =>
      `{"user_id":${id},"balance":${balance},"total_recharged":${balance},"total_consumed":0,` +
      `"total_expired":0,"expire_time":null}`;
    const { why } = await importText(server.client, [
      line("738529527931269425", "1"),
      line("738529527931269440", "2"),
      line("9223372036854775808", "2000000000001"),
      line("1.5", "1"),
      line("1e21", "1"),
      line("-0", "1"),
      line('"json-1"', "9007199254740993"),
      line('"json-2"', "1e3"),
      line('"json-3"', "70.0"),
      line('"json-4"', "-5"),
      line('"json-5"', "4096000000000001"),
      line("true", "1"),
    ]);
    expect(why).toEqual([
      "4: user_id 1.5 is not written in digits alone",
      "5: user_id 1e21 is not written in digits alone",
      "6: user_id -0 is not written in digits alone",
      expect.stringMatching(/^7: balance 9007199254740993 is not a whole number from 0 to 9007/),
      "8: balance 1e3 is not written in digits alone",
      "9: balance 70.0 is not written in digits alone",
      expect.stringMatching(/^10: balance -5 is not a whole number from 0/),
      "11: balance 4096000000000001 is more than 4096 lots can hold",
      "12: user_id is neither a text nor a number",
    ]);
    expect(await figuresOf(server)).toMatchObject({
      "738529527931269425": "1 1 0 0",
      "738529527931269440": "2 2 0 0",
      "9223372036854775808": "2000000000001 2000000000001 0 0",
    });
  });

  test("names JSON fields that are missing, unknown or repeated", async () => {
    const rest = '"total_recharged":1,"total_consumed":0,"total_expired":0';
    const { why } = await importText(server.client, [
      `{"user_id":"a","balance":1,${rest},"expire_tme":null}`,
      `{"user_id":"b","balance":1,${rest},"balance":1}`,
      `{"user_id":"c",${rest}}`,
      `{"user_id":"d","balance":null,${rest}}`,
      `{"user_id":"e","balance":"",${rest}}`,
      `{"user_id":"f","balance":{"n":9007199254740993},${rest}}`,
      `{"user_id":"g","balance":1,${rest},"expire_time":1893456000000000000}`,
      `{"user_id":null,"balance":1,${rest}}`,
      `{"balance":1,${rest}}`,
    ]);
    expect(why).toEqual([
      expect.stringMatching(/^1: expire_tme means nothing here: a line has user_id, balance, /),
      "2: balance is there twice",
      "3: balance is missing",
      "4: balance is missing",
      "5: balance is missing",
      expect.stringMatching(/^6: balance {"n":"9007199254740993"} is not a whole number /),
      "7: expire_time 1893456000000000000 is no time as 2030-01-31T12:00:00Z",
      "8: user_id is missing",
      "9: user_id is missing",
    ]);
  });
});

describe("a balance with a time", () => {
  test("is expired if the time is past, and the history stays", async () => {
    const lines = csvOf(
      "exp1,50,100,50,0,2024-01-31T12:00:00Z",
      "exp2,50,60,7,3,2024-01-31 12:00:00+00",
      "exp3,1500000000000,1500000000000,0,0,0001-01-01T00:00:00Z",
    );
    expect(await importText(server.client, lines)).toMatchObject({ before: 0, bad: 0 });
    const figures = {
      exp1: "0 100 50 50",
      exp2: "0 60 7 53",
      exp3: "0 1500000000000 0 1500000000000",
    };
    expect(await figuresOf(server)).toMatchObject(figures);
    expect(await importText(server.client, lines)).toMatchObject({ before: 3, bad: 0 });
    const later = lines.map((line) => line.replace(/0001-|2024-/, "2999-"));
    expect(await importText(server.client, later)).toMatchObject({ before: 0, bad: 3 });
    expect(await figuresOf(server)).toMatchObject(figures);
  });

  test("is idempotent if the time comes in between", async () => {
    const time = new Date(Date.now() + 1_000).toISOString();
    const lines = csvOf(`soon-1,5,5,0,0,${time}`, `soon-2,5,9,4,0,${time}`);
    await importText(server.client, lines);
    await until("the time has come", () => Date.now() > Date.parse(time) + 100);
    expect(await importText(server.client, lines)).toMatchObject({ before: 2, bad: 0 });
    for (const userId of ["soon-1", "soon-2"]) {
      await server.client.expire({ userId, target: { case: "due", value: true } });
    }
    expect(await figuresOf(server)).toMatchObject({ "soon-1": "0 5 0 5", "soon-2": "0 9 4 5" });
  });

  test("keeps it to the microsecond, in the formats of psql and others", async () => {
    const lines = csvOf(
      "time-1,1,1,0,0,2030-01-31 12:00:00+00",
      "time-2,1,1,0,0,2030-01-31 12:00:00.123456+0530",
      "time-3,1,1,0,0,2030-01-31t12:00:00.5-03:30",
      "time-4,1,1,0,0,infinity",
    );
    expect(await importText(server.client, lines)).toMatchObject({ bad: 0 });
    const rows = await server.database.query(`
      select to_char(expire_time at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as time
      from points.open_lot where user_id like 'time-%' order by user_id`);
    expect(rows.map(({ time }) => time)).toEqual([
      "2030-01-31 12:00:00.000000",
      "2030-01-31 06:30:00.123456",
      "2030-01-31 15:30:00.500000",
      null,
    ]);
  });
});

test("times are read as PostgreSQL writes them, in any zone", async () => {
  const zones = ["UTC", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu", "Africa/Monrovia"];
  for (const zone of zones) {
    await server.database.query(`set timezone to '${zone}'`);
    const rows = await server.database.query(`
      select time::text as text, (extract(epoch from time) * 1000000)::bigint::text as micros
      from generate_series(timestamptz '1890-01-01 00:00:00.000001Z', '2099-12-31', '2222 days')
        as time`);
    for (const { text, micros } of rows) {
      const { seconds, nanos } = readTime("time", text)!;
      const read = `${seconds * 1_000_000n + BigInt(nanos / 1000)}`;
      expect([text, read]).toEqual([text, micros]);
    }
    expect(rows.length).toBeGreaterThan(30);
  }
});

describe("an import that cannot go through", () => {
  const ROWS = ["half,70,100,25,5,2024-01-31T12:00:00Z", "whole,1,1,0,0,"];

  test("is finished by a repeat, wherever it was stopped", async () => {
    let calls = 0;
    for (let isStopped = true; isStopped; calls++) {
      const lines = csvOf(...ROWS.map((row) => row.replace(",", `-${calls},`)));
      isStopped = await isRefused(importText(stoppedAfter(calls, server), lines));
      expect(await importText(server.client, lines)).toMatchObject({ lines: 2, bad: 0 });
      const figures = { [`half-${calls}`]: "0 100 25 75", [`whole-${calls}`]: "1 1 0 0" };
      expect(await figuresOf(server)).toMatchObject(figures);
    }
    expect(calls).toBeGreaterThan(5);
  });

  test.each([
    { scopes: ["points.grant"], denied: ["half", "whole"] },
    { scopes: ["points.spend"], denied: ["half", "whole"] },
    { scopes: ["points.grant", "points.spend"], denied: ["whole"] },
    { scopes: ["points.grant", "points.spend", "points.revoke"], denied: [] },
  ])("changes nothing of an account for a caller with only $scopes", async ({ scopes, denied }) => {
    const callers = await writeCallers(await temporaryFolder(), { importer: { scopes } });
    const own = await testServer(callers);
    onTestFinished(() => own.stop());
    const { why } = await importText(clientWith(own.baseUrl, tokenOf("importer")), csvOf(...ROWS));
    expect(why).toEqual(denied.map(() => expect.stringMatching(/\(PERMISSION_DENIED\)$/)));
    expect(Object.keys(await figuresOf(own))).toHaveLength(2 - denied.length);
  });

  test("changes nothing of an account if a later step would be denied", async () => {
    const rows = ["step-1,1,4,2,1,", "step-2,1,1,0,0,2024-01-31T12:00:00Z", "step-3,1,3,2,0,"];
    const { why } = await importText(denying("expire", server), csvOf(...rows));
    expect(why).toEqual(["2: you may not", "3: you may not"]);
    const made = Object.keys(await figuresOf(server)).filter((name) => name.startsWith("step-"));
    expect(made).toEqual(["step-3"]);
  });
});

/** A client whose caller lacks permission for one kind of operation. */
function denying(kind: string, { client }: TestServer): TestServer["client"] {
  const value = create(StatusSchema, { code: Code.PermissionDenied, message: "you may not" });
  const denied = create(OperationResultSchema, { result: { case: "error", value } });
  return {
    ...client,
    async applyBatch({ operations = [] }, options) {
      const isDenied = operations.map(({ operation }) => operation?.case === kind);
      const allowed = operations.filter((_, index) => isDenied[index] === false);
      const answer = create(ApplyBatchResponseSchema);
      if (allowed.length > 0) {
        answer.results = (await client.applyBatch({ operations: allowed }, options)).results;
      }
      for (const [index, isOne] of isDenied.entries()) {
        if (isOne) answer.results.splice(index, 0, denied);
      }
      return answer;
    },
  };
}
