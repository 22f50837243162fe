import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { readConfig } from "../../src/config/environment.ts";
import { UserError } from "../../src/errors/user-error.ts";
import { type Database, openDatabase } from "../../src/postgres/database.ts";
import type { Orm } from "../../src/store/driver/orm.ts";
import { points, ttl } from "./requests.ts";
import { testServer, type TestServer } from "./server.ts";

/** Opens the database as `points serve` does. */
export function openAt(DATABASE_URL: string): Promise<Database> {
  return openDatabase(readConfig({ DATABASE_URL }));
}

/** Expects that a server refuses to start on this database, and says why in one sentence. */
export async function expectRefused(url: string, sentence: string | RegExp): Promise<void> {
  const opened = await openAt(url).catch((error: unknown) => error);
  expect(opened).toBeInstanceOf(UserError);
  const { message } = opened as UserError;
  const isSame = typeof sentence === "string";
  expect(message).toEqual(isSame ? sentence : expect.stringMatching(sentence));
  expect(message).not.toContain("\n");
}

/** A server on a database that it does not own. */
export function serverOn(orm: Orm): Promise<TestServer> {
  return testServer({}, { orm, url: "", query: async () => [], close: async () => {} });
}

/** Expects a server on this database to write and read values of every kind. */
export async function expectWorking(orm: Orm): Promise<void> {
  const server = await serverOn(orm);
  try {
    const { client } = server;
    const userId = `user-${randomBytes(4).toString("hex")}`;
    const metadata = { für: "積分 \\ 'x'" };
    const given = { userId, points: 100n, expiration: ttl(3_600_000), metadata, requestId: "r" };
    const first = await client.recharge(given);
    expect(await client.recharge(given)).toEqual({ ...first, replayed: true });
    const { entry } = await client.consume({ userId, cost: points(10n), metadata });
    await client.refund({ userId, sequence: entry!.sequence, points: 4n });
    const { hold } = await client.freeze({ userId, cost: points(20n) });
    await client.settle({ userId, hold: hold!.number, cost: points(15n) });
    const { entries } = await client.listEntries({ userId });
    expect(entries.find(({ sequence }) => sequence === entry!.sequence)).toEqual(entry);
    expect((await client.listLots({ userId })).lots).toHaveLength(1);
    expect((await client.getOrCreate({ userId })).account?.balance).toBe(79n);
    const many = Array.from({ length: 20 }, () => client.consume({ userId, cost: points(1n) }));
    const sequences = (await Promise.all(many)).map((one) => one.entry!.sequence);
    expect(new Set(sequences).size).toBe(20);
  } finally {
    await server.stop();
  }
}
