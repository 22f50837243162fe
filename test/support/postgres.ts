import pg from "pg";
import type { TestProject } from "vitest/node";
import { startEmbedded } from "../../src/postgres/embedded/start.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { PATIENCE } from "./patience.ts";
import { openRunFolder } from "./run-folder.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** A server on which tests make databases, and a template database with the schema. */
    postgres: { url: string; template: string };
  }
}

/** Provides one PostgreSQL for the whole run: DATABASE_URL's, or its own without fsync. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env["DATABASE_URL"];
  // Tests of processes choose their own database.
  delete process.env["DATABASE_URL"];
  // For the pools of servers in the tests' own processes.
  process.env["PGCONNECT_TIMEOUT"] = PATIENCE.PGCONNECT_TIMEOUT;
  const run = await openRunFolder();
  const embedded =
    given === undefined ? await startEmbedded(run.folder, { fsync: "off" }) : undefined;
  const url = given ?? embedded!.url;

  const template = `points_test_${process.pid}_template`;
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  await admin.query(`create database ${template}`);
  const orm = await openOrm(withDatabase(url, template), 2);
  await migrate(orm);
  await orm.close();
  project.provide("postgres", { url, template });

  return async () => {
    await admin.query(`drop database ${template} with (force)`);
    await admin.end();
    await embedded?.stop();
    await run.close();
  };
}

/** The URL of another database on the same server. */
export function withDatabase(url: string, database: string): string {
  return url.replace(/\/[^/?]*(\?|$)/, `/${database}$1`);
}
