import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Imported, importFile } from "../../src/transfer/import.ts";
import { type Exit, runPoints, temporaryFolder } from "./processes.ts";
import type { TestServer } from "./server.ts";

/** The result of an import, with the reason for each bad line, in order. */
export type Import = Imported & { readonly why: readonly string[] };

/** Imports a text as if it were a file. */
export async function importText(
  client: TestServer["client"],
  text: string | readonly string[],
): Promise<Import> {
  const file = Readable.from([Buffer.from(typeof text === "string" ? text : text.join("\n"))]);
  const bad: [number, string][] = [];
  const imported = await importFile(client, file, {
    onBad: (line, why) => bad.push([line, `${line}: ${why}`]),
    onProgress: () => {},
  });
  return { ...imported, why: bad.toSorted(([a], [b]) => a - b).map(([, why]) => why) };
}

/** CSV lines of an older table. */
export function csvOf(...rows: readonly string[]): string[] {
  return ["user_id,balance,total_recharged,total_consumed,total_expired,expire_time", ...rows];
}

/** A file with this text, removed at the end of the test. */
export async function fileOf(name: string, text: string): Promise<string> {
  const file = join(await temporaryFolder(), name);
  await writeFile(file, text);
  return file;
}

/** Runs a command of `points` against a server. */
export function runAt({ baseUrl }: TestServer, ...args: string[]): Promise<Exit> {
  return runPoints({ POINTS_URL: baseUrl }, args).exit;
}

/** By account: balance, recharged, consumed and expired. */
export async function figuresOf({ database }: TestServer): Promise<Record<string, string>> {
  const rows = await database.query(`
    select user_id, concat_ws(' ', balance, total_recharged, total_consumed, total_expired) as all
    from points.account order by user_id`);
  return Object.fromEntries(rows.map((row) => [row["user_id"], row["all"]]));
}

/** A client whose server goes away after this many calls. */
export function stoppedAfter(calls: number, { client }: TestServer): TestServer["client"] {
  let made = 0;
  return {
    ...client,
    applyBatch: (...args) => {
      if (made++ >= calls) throw new ConnectError("the wire was cut", Code.Unimplemented);
      return client.applyBatch(...args);
    },
  };
}

/** Whether the promise is rejected. */
export function isRefused(done: Promise<unknown>): Promise<boolean> {
  return done.then(
    () => false,
    () => true,
  );
}
