import type { Readable } from "node:stream";
import type { Client } from "@connectrpc/connect";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import { ACCOUNT_COLUMNS } from "./account.ts";
import { startAccountImports } from "./account-import.ts";
import { BadLine } from "./bad-line.ts";
import { readRecords } from "./records.ts";
import { startSending } from "./send.ts";
import { type Unit, unitsOf } from "./units.ts";

/** Counts of lines. Empty lines and a head do not count. */
export type Imported = {
  /** All lines so far. */
  lines: number;
  /** Lines that an earlier import has done. */
  before: number;
  /** Lines of users who never had points. They get no account. */
  empty: number;
  bad: number;
};

type Options = {
  /** Called for each bad line, in any order. */
  readonly onBad: (line: number, why: string) => void;
  /** Called after each unit. */
  readonly onProgress: (imported: Imported) => void;
};

/** Backpressure. It fills the calls under way; one account's entries may be more. */
const UNDER_WAY_MAX_LINES = 8_000;

/**
 * Imports a file through ApplyBatch: accounts of an older table, operations, or exported entries, as
 * its first line tells. It is idempotent: lines that an earlier import has done change nothing.
 *
 * Memory: some thousand lines, the lots of the accounts under way, and 18 to 36 bytes for each user.
 *
 * @throws {UnreadableFile} if the file is none of these. Nothing has been changed then
 * @throws {StoppedImport} if the server gives policies to new accounts
 * @throws {ConnectError} if the server does not answer, or refuses everything
 */
export async function importFile(
  client: Client<typeof PointsService>,
  file: Readable,
  { onBad, onProgress }: Options,
): Promise<Imported> {
  const send = startSending(client);
  const server = { send, begin: startAccountImports(send) };
  const imported: Imported = { lines: 0, before: 0, empty: 0, bad: 0 };
  let underWay = 0;
  let done = Promise.withResolvers<void>();
  let failure: { readonly error: unknown } | undefined;

  async function work(unit: Unit): Promise<void> {
    underWay += unit.lines;
    try {
      const outcome = await unit.run(server);
      imported.lines += unit.lines;
      if (outcome !== "made") imported[outcome] += unit.lines;
    } catch (error) {
      if (error instanceof BadLine) noteBad(unit, error);
      else failure ??= { error };
    }
    underWay -= unit.lines;
    onProgress(imported);
    done.resolve();
    done = Promise.withResolvers();
  }

  function noteBad({ line, lines }: Unit, { message }: BadLine): void {
    imported.lines += lines;
    imported.bad += lines;
    onBad(line, lines === 1 ? message : `${message}: so ${lines} lines are bad`);
  }

  for await (const unit of unitsOf(readRecords(file, ACCOUNT_COLUMNS))) {
    void work(unit);
    while (underWay >= UNDER_WAY_MAX_LINES) await done.promise;
    if (failure !== undefined) break;
  }
  while (underWay > 0) await done.promise;
  if (failure !== undefined) throw failure.error;
  return imported;
}
