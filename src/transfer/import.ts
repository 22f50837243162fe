import type { Readable } from "node:stream";
import type { Client } from "@connectrpc/connect";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import { ACCOUNT_COLUMNS } from "./account.ts";
import { BadLine } from "./bad-line.ts";
import { startMaking } from "./making.ts";
import { readRecords } from "./records.ts";
import { startSending } from "./send.ts";
import { type Unit, unitsOf } from "./units.ts";

/** What has become of the lines so far; empty ones and a head are none. */
export type Imported = {
  /** All of them. */
  lines: number;
  /** Those that were done by an import before. */
  before: number;
  /** Those of users without points, who get no account. */
  empty: number;
  bad: number;
};

type Options = {
  /** Called for each line that cannot be imported, in any order. */
  readonly onBad: (line: number, why: string) => void;
  /** Called now and then. */
  readonly onProgress: (imported: Imported) => void;
};

/** Enough to fill the calls under way; one account's entries may be more. */
const UNDER_WAY_MAX_LINES = 8_000;

/**
 * Imports a file, through ApplyBatch: accounts of an older table, operations, or entries as the
 * export writes them, whichever its first line has. The server may know some of it from an import
 * before: that changes nothing.
 *
 * In memory it keeps some thousand lines, of entries the lots of the accounts under way, and some
 * bytes for each user.
 *
 * @throws {UnreadableFile} if it is none of these; nothing has been changed then
 * @throws {ConnectError} if the server does not answer, or refuses all there is
 */
export async function importFile(
  client: Client<typeof PointsService>,
  file: Readable,
  { onBad, onProgress }: Options,
): Promise<Imported> {
  const send = startSending(client);
  const server = { send, begin: startMaking(send) };
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
