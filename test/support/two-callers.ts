import { rm } from "node:fs/promises";
import { SCOPES } from "../../src/auth/caller.ts";
import type { Api } from "./api.ts";
import { clientWith, tokenOf, writeCallers } from "./callers.ts";
import { testDatabase, type TestDatabase } from "./database.ts";
import { makeFolder } from "./run-folder.ts";
import { testServer } from "./server.ts";

/** A server whose callers may do everything: "shop" with all users, "some" with those of a prefix. */
export type ServedTwo = {
  readonly database: TestDatabase;
  readonly client: Api;
  /** A client of who may see the users "ada…" alone. */
  readonly ofAda: Api;
  close(): Promise<void>;
};

/** Starts a server with a database of its own. */
export async function serveTwoCallers(): Promise<ServedTwo> {
  const database = await testDatabase();
  const folder = await makeFolder("two-callers");
  const callers = await writeCallers(folder, {
    shop: { scopes: [...SCOPES] },
    some: { scopes: [...SCOPES], prefix: "ada" },
  });
  const server = await testServer(callers, database);
  return {
    database,
    client: clientWith(server.baseUrl, tokenOf("shop")),
    ofAda: clientWith(server.baseUrl, tokenOf("some")),
    async close() {
      await server.stop();
      await database.close();
      await rm(folder, { recursive: true });
    },
  };
}
