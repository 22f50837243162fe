import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromJson } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";
import { PointsService, ShortfallSchema } from "../../gen/points/v1/points_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { UsageSchema } from "../../gen/points/v1/prices_pb.ts";
import { describeConfig } from "../../src/config/environment.ts";
import { costAt, priceUsage } from "../../src/ledger/prices.ts";
import { toUsage } from "../../src/rpc/commands.ts";
import { parsePrices } from "../../src/rpc/price-file.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { refusalOf } from "../support/error-info.ts";
import { creditLine, points } from "../support/requests.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";

// docs/migration.md and docs/migration.zh.md: what they say to type is typed as it is there.

const run = promisify(execFile);
const METHODS = [...PointsService.methods, ...PolicyService.methods];
const ENGLISH = await readFile("docs/migration.md", "utf8");
const CHINESE = await readFile("docs/migration.zh.md", "utf8");

let server: TestServer;
let folder: string;
beforeAll(async () => {
  server = await testServer();
  folder = await makeFolder("migration");
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

test("an older table is brought over, and a ledger to another, by the page's commands", async () => {
  await server.database.query(`
    create table public.user_point (
      id serial, user_id bigint, balance bigint, total_recharged bigint,
      total_consumed bigint, total_expired bigint
    )`);
  await server.database.query(`
    insert into public.user_point (user_id, balance, total_recharged, total_consumed, total_expired)
    values (42, 70, 100, 25, 5), (43, 0, 8, 8, 0)`);
  await saveAsCsv(codeBlocks(ENGLISH, "sql")[0]!, "user_point.csv");

  const [bringIn, compare, exportAll] = codeBlocks(ENGLISH, "sh");
  expect(await shell(bringIn!)).toMatch(/^2 lines, .*: 2 imported, 0 bad\n$/);
  const shown = await shell(compare!);
  expect(shown).toMatch(/balance +70\n.*\nrecharged +100\nconsumed +25\nexpired +5\n/);
  expect(shown).toContain("all in order");
  expect(await shell(bringIn!)).toContain("2 imported, 2 of them before, 0 bad\n");
  await shell(exportAll!);
  const entries = await readFile(join(folder, "entries.ndjson"), "utf8");
  const { length } = await server.database.query("select from points.entry");
  expect(entries.trimEnd().split("\n")).toHaveLength(length);
});

test("a column quota is brought over, below zero as debt, by the Chinese page's commands", async () => {
  await server.database.query(
    "create table public.users (id int, username text, quota int, used_quota int)",
  );
  await server.database.query(
    "insert into public.users values (7, 'a', 50, 30), (8, 'b', -20, 120), (9, 'c', 0, 0)",
  );
  const [accounts, debts, ...others] = codeBlocks(CHINESE, "sql");
  expect(others).toEqual([]);
  await saveAsCsv(`select * from (${accounts}) as old order by user_id`, "users.csv");
  const lines = await server.database.query(debts!);
  const texts = lines.map((row) => String(Object.values(row)[0]));
  await writeFile(join(folder, "debts.ndjson"), `${texts.join("\n")}\n`);

  const [bringIn, owe, compare] = codeBlocks(CHINESE, "sh");
  expect(await shell(bringIn!)).toMatch(/^3 lines, .*: 2 imported, 1 without points, 0 bad\n$/);
  for (const told of [/: 2 imported, 0 bad\n$/, /: 2 imported, 2 of them before, 0 bad\n$/]) {
    expect(await shell(owe!)).toMatch(told);
  }
  const shown = await shell(compare!);
  expect(shown).toMatch(/balance +50\n.*\nrecharged +80\nconsumed +30\n/);
  expect(shown).toContain("all in order");
  const { account } = await server.client.getAccount({ userId: "8" });
  expect(account).toMatchObject({ balance: 0n, debt: 20n, totalConsumed: 120n });
});

describe.each([
  { name: "migration.md", page: ENGLISH, userId: "ada", imported: 0n },
  { name: "migration.zh.md", page: CHINESE, userId: "7", imported: 50n },
])("$name", ({ page, userId, imported }) => {
  test("charges a job that cost more than was frozen, or says 402", async () => {
    const { client } = server;
    const play = async () => (await typescript(codeBlocks(page, "ts")[0]!)).match(/\d+/g);
    await client.putPolicy({ userId, policy: creditLine(1_000n) });
    if (imported < 50n) await client.recharge({ userId, points: 50n - imported });
    expect(await play()).toEqual(["402", "50", "80", "30"]);
    await client.recharge({ userId, points: 50n });
    const charged = ["120", "20", "0"];
    expect(await play()).toEqual(charged);
    expect(await play()).toEqual(charged);
    expect((await client.getAccount({ userId })).account).toMatchObject({ balance: 0n, debt: 20n });
  });

  test("names functions of the contract alone", () => {
    const calls = [...page.matchAll(/^\| .* \| .*?`(\w+) \{([^}]*)\}`/gm)];
    expect(calls.length).toBeGreaterThan(8);
    for (const [, rpc, fields] of calls) {
      const { input } = METHODS.find((method) => method.name === rpc)!;
      const has = input.fields.map((field) => field.name);
      for (const field of fields!.split(", ")) expect(has).toContain(field);
    }
  });

  test("shows in the dialogue what the refusal says", async () => {
    const { client } = server;
    await client.recharge({ userId: `poor-${userId}`, points: 1n });
    const charge = client.consume({ userId: `poor-${userId}`, cost: points(2n) });
    const { reason, metadata } = await refusalOf(charge);
    expect(page).toContain(reason);
    const [, section] = /^## .*402.*\n([^]*?)^## /m.exec(page)!;
    const figures = [...section!.matchAll(/^\| `(\w+)` \|/gm)].map(([, figure]) => figure!);
    expect(figures.toSorted()).toEqual(Object.keys(metadata).toSorted());
  });

  test("names reasons, shortfalls and settings that there are", () => {
    const known = new Set([
      ...Object.keys(ErrorReason),
      ...ShortfallSchema.values.map((value) => value.name),
      ...[...describeConfig().matchAll(/^ {2}([A-Z_]+) /gm)].map(([, name]) => name!),
      // Of the answers' outcomes, and of the code that is replaced.
      "UNKNOWN",
      "BATCH_UPDATE_ENABLED",
    ]);
    const named = [...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+|UNKNOWN)[`=]/g)].map(([, name]) => name!);
    expect(named.length).toBeGreaterThan(8);
    for (const name of named) expect(known).toContain(name);
  });
});

describe("the prices of migration.zh.md", () => {
  const rows = [...CHINESE.matchAll(/^\| `(\{service.+\})` \| (\d+) \|$/gm)];

  test("have an example of each service", () => {
    const { lists } = parsePrices(codeBlocks(CHINESE, "yaml")[0]!, "docs/migration.zh.md");
    const used = new Set(rows.map(([, use]) => (parse(use!) as { service: string }).service));
    for (const { services } of lists) expect(new Set(services.keys())).toEqual(used);
  });

  test.each(rows.map(([, use, cost]) => [use!, BigInt(cost!)] as const))(
    "say that %s costs %s",
    (use, cost) => {
      const { lists } = parsePrices(codeBlocks(CHINESE, "yaml")[0]!, "docs/migration.zh.md");
      const usage = toUsage(fromJson(UsageSchema, parse(use) as never));
      expect(costAt(priceUsage(lists, usage), 0n)).toMatchObject({ points: cost });
    },
  );
});

/** Saves the rows of a query as psql's \copy does. */
async function saveAsCsv(query: string, name: string): Promise<void> {
  const rows = await server.database.query(query);
  const csv = [Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))].join("\n");
  await writeFile(join(folder, name), csv);
}

async function shell(block: string): Promise<string> {
  const env = { ...process.env, POINTS_URL: server.baseUrl, DATABASE_URL: server.database.url };
  const inFolder = block.replaceAll(/\w+\.(?:csv|ndjson)/g, `${folder}/$&`);
  return (await run("bash", ["-c", inFolder], { env })).stdout;
}

/** Runs a program in the project's root, where it finds the client and the packages. */
async function typescript(block: string): Promise<string> {
  const file = `migration-${process.pid}.ts`;
  const program = block
    .replaceAll("127.0.0.1:50051", `127.0.0.1:${server.port}`)
    .replace('"points/client"', '"./src/client/client.ts"');
  await writeFile(file, program);
  try {
    return (await run("node", [file])).stdout;
  } finally {
    await rm(file);
  }
}
