import type { Readable } from "node:stream";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type Client, ConnectError } from "@connectrpc/connect";
import { type Entry, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import { type PointsService, OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { digestOfAccount, makeAccount, readAccountLine } from "./account.ts";
import { type Fold, foldEntry, startFold } from "./fold.ts";
import { applyOperation, BadLine, digestOf, startMaking } from "./operations.ts";
import { type FileRecord, type Format, readRecords } from "./records.ts";
import { restore } from "./restore.ts";
import { type Send, startSending } from "./send.ts";

/** What has become of the lines so far. */
export type Imported = {
  /** All that were read. */
  lines: number;
  /** Those of them that were done by an import before. */
  repeated: number;
  bad: number;
};

type Options = {
  /** Called for each line that cannot be imported, in any order. */
  readonly onBad: (line: number, why: string) => void;
  /** Called now and then. */
  readonly onProgress: (imported: Imported) => void;
};

/** Enough to fill the calls under way; one account's entries may be more. */
const UNDER_WAY_MAX_LINES = 20_000;

/**
 * Imports a file, through ApplyBatch: accounts of an older table, operations, or entries as the
 * export writes them, whichever its first line has. The server may know some of it from an import
 * before: that changes nothing.
 *
 * In memory it keeps some thousand lines, and of entries the lots of the accounts under way.
 *
 * @throws {ConnectError} if the server does not answer, or refuses all there is
 */
export async function importFile(
  client: Client<typeof PointsService>,
  file: Readable,
  format: Format,
  { onBad, onProgress }: Options,
): Promise<Imported> {
  const send = startSending(client);
  const imported: Imported = { lines: 0, repeated: 0, bad: 0 };
  let underWay = 0;
  let done = Promise.withResolvers<void>();
  let failure: { readonly error: unknown } | undefined;

  function noteBad(line: number, lines: number, error: unknown): void {
    if (!(error instanceof BadLine)) {
      failure ??= { error };
      return;
    }
    imported.bad += lines;
    onBad(line, error.message);
  }

  async function work({ line, lines, run }: Unit): Promise<void> {
    underWay += lines;
    try {
      const wasDone = await run(send);
      if (wasDone) imported.repeated += lines;
    } catch (error) {
      noteBad(line, lines, error);
    }
    underWay -= lines;
    imported.lines += lines;
    onProgress(imported);
    done.resolve();
    done = Promise.withResolvers();
  }

  for await (const unit of unitsOf(readRecords(file, format))) {
    void work(unit);
    while (underWay >= UNDER_WAY_MAX_LINES) await done.promise;
    if (failure !== undefined) break;
  }
  while (underWay > 0) await done.promise;
  if (failure !== undefined) throw failure.error;
  return imported;
}

/** What is imported as one: a line, or all entries of an account. */
type Unit = {
  /** The first of its lines, by which it is named. */
  readonly line: number;
  readonly lines: number;
  /** Says whether all of it was done before; throws BadLine. */
  readonly run: (send: Send) => Promise<boolean> | boolean;
};

async function* unitsOf(records: AsyncIterable<FileRecord>): AsyncGenerator<Unit> {
  let kind: Kind | undefined;
  let journal: Journal | undefined;
  for await (const record of records) {
    try {
      if ("bad" in record) throw new BadLine(record.bad);
      const is = kindOf(record.fields);
      kind ??= is;
      if (is !== kind) throw new BadLine(`is one of the ${NAMES[is]}, in a file of ${NAMES[kind]}`);
      switch (kind) {
        case "account":
          yield accountUnit(record);
          break;
        case "operation":
          yield operationUnit(record);
          break;
        case "entry": {
          const entry = read(() => fromJson(EntrySchema, record.fields as JsonValue));
          if (journal !== undefined && journal.fold.userId !== entry.userId) {
            yield journalUnit(journal);
            journal = undefined;
          }
          const { line } = record;
          journal ??= { line, lines: 0, fold: startFold(entry.userId), bad: undefined };
          addEntry(journal, line, entry);
        }
      }
    } catch (error) {
      yield badUnit(record.line, 1, error);
    }
  }
  if (journal !== undefined) yield journalUnit(journal);
}

type Good = Extract<FileRecord, { fields: unknown }>;

function accountUnit({ line, fields }: Good): Unit {
  const account = readAccountLine(fields);
  return {
    line,
    lines: 1,
    async run(send) {
      const { apply, wasDone } = startMaking(send, account.userId, digestOfAccount(account));
      await makeAccount(account, apply);
      return wasDone();
    },
  };
}

/** Its request id is its own, or else that of its content and its place in the file. */
function operationUnit({ line, fields, text }: Good): Unit {
  const operation = read(() => fromJson(OperationSchema, fields as JsonValue));
  const request = operation.operation.value;
  if (request?.requestId === "") request.requestId = `import-${line}-${digestOf(text)}`;
  return { line, lines: 1, run: async (send) => (await applyOperation(send, operation)).replayed };
}

/** Entries of one account, in successive lines. */
type Journal = {
  readonly line: number;
  lines: number;
  readonly fold: Fold;
  bad: { readonly line: number; readonly error: unknown } | undefined;
};

function addEntry(journal: Journal, line: number, entry: Entry): void {
  journal.lines += 1;
  if (journal.bad !== undefined) return;
  try {
    foldEntry(journal.fold, entry);
  } catch (error) {
    journal.bad = { line, error };
  }
}

function journalUnit({ line, lines, fold, bad }: Journal): Unit {
  if (bad !== undefined) return badUnit(bad.line, lines, bad.error);
  return {
    line,
    lines,
    async run(send) {
      const digest = Buffer.from(fold.hash).toString("base64url");
      const { apply, wasDone } = startMaking(send, fold.userId, digest);
      await restore(fold, apply);
      return wasDone();
    },
  };
}

function badUnit(line: number, lines: number, error: unknown): Unit {
  return {
    line,
    lines,
    run() {
      throw error;
    },
  };
}

type Kind = keyof typeof NAMES;

const NAMES = { account: "accounts", operation: "operations", entry: "entries" } as const;

function kindOf(fields: Readonly<Record<string, unknown>>): Kind {
  if ("sequence" in fields && "kind" in fields) return "entry";
  if (OperationSchema.fields.some(({ jsonName }) => jsonName in fields)) return "operation";
  if ("balance" in fields || "user_id" in fields) return "account";
  throw new BadLine("is neither an account, nor an operation, nor an entry");
}

/** What protobuf's JSON says; what it cannot be read for is a matter of the line. */
function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new BadLine(ConnectError.from(error).rawMessage);
  }
}
