import { type Entry, EntrySchema } from "../../gen/points/v1/account_pb.ts";
import { OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { digestOfAccount, makeAccount, readAccountLine, readUserId } from "./account.ts";
import type { BeginImport, Outcome } from "./account-import.ts";
import { BadLine } from "./bad-line.ts";
import { type Fold, foldEntry, startFold } from "./fold.ts";
import { readMessage } from "./message.ts";
import { NumbersByName } from "./numbers.ts";
import { applyOperation, digestOf } from "./operations.ts";
import type { FileRecord } from "./records.ts";
import { requireRestorable, restore } from "./restore.ts";
import type { Send } from "./send.ts";

/** A unit of import: a line, or all entries of an account. */
export type Unit = {
  /** The line that errors name. */
  readonly line: number;
  readonly lines: number;
  /** Throws BadLine. */
  readonly run: (server: Server) => Promise<Outcome> | Outcome;
};

/** A server that takes operations, and whole accounts. */
export type Server = { readonly send: Send; readonly begin: BeginImport };

/** Groups the lines of a file into units. A unit is complete before it is applied. */
export async function* unitsOf(records: AsyncIterable<FileRecord>): AsyncGenerator<Unit> {
  const seen = new NumbersByName();
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
          yield accountUnit(record, seen);
          break;
        case "operation":
          yield operationUnit(record, seen);
          break;
        case "entry": {
          const entry = readMessage(EntrySchema, record.fields);
          if (journal !== undefined && journal.fold.userId !== entry.userId) {
            yield journalUnit(journal);
            journal = undefined;
          }
          journal ??= startJournal(record.line, entry.userId, seen);
          addEntry(journal, record.line, entry);
        }
      }
    } catch (error) {
      yield badUnit(record.line, 1, error);
    }
  }
  if (journal !== undefined) yield journalUnit(journal);
}

type Good = Extract<FileRecord, { fields: unknown }>;

/** Notes the user first: a second line of a user is refused even if the first one is bad. */
function accountUnit({ line, fields }: Good, seen: NumbersByName): Unit {
  const userId = readUserId(fields);
  requireFirst(seen, userId, line, `user_id ${userId}`);
  const account = readAccountLine(fields);
  return {
    line,
    lines: 1,
    async run({ begin }) {
      if (account.totalRecharged === 0n) return "empty";
      const { totalExpired, expireTime } = account;
      const needs = totalExpired > 0n || expireTime !== undefined ? EXPIRE : [];
      const digest = digestOfAccount(account);
      const { apply, outcome } = await begin({ userId, digest, needs });
      await makeAccount(account, apply);
      return outcome();
    },
  };
}

/**
 * An operation without a request id gets one from its content and the number of equal lines above.
 * So other lines above it may be corrected, added and removed.
 */
function operationUnit({ line, fields, text }: Good, seen: NumbersByName): Unit {
  const operation = readMessage(OperationSchema, fields);
  const request = operation.operation.value;
  if (request?.requestId === "") {
    const digest = digestOf(text.trim());
    const times = seen.get(digest) + 1;
    seen.set(digest, times);
    request.requestId = `import-${digest}-${times}`;
  } else if (request !== undefined) {
    const { userId, requestId } = request;
    requireFirst(seen, `${userId} ${requestId}`, line, `requestId ${requestId} of ${userId}`);
  }
  return {
    line,
    lines: 1,
    async run({ send }) {
      return (await applyOperation(send, operation)).replayed ? "before" : "made";
    },
  };
}

/** The entries of one account, on successive lines. */
type Journal = {
  readonly line: number;
  lines: number;
  readonly fold: Fold;
  bad: { readonly line: number; readonly error: unknown } | undefined;
};

function startJournal(line: number, userId: string, seen: NumbersByName): Journal {
  const journal: Journal = { line, lines: 0, fold: startFold(userId), bad: undefined };
  try {
    requireFirst(seen, userId, line, `the first entry of ${userId}`);
  } catch (error) {
    journal.bad = { line, error };
  }
  return journal;
}

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
  const { userId, expired, refunded, books, policies } = fold;
  const lots = [...fold.lots.values()];
  return {
    line,
    lines,
    async run({ begin }) {
      requireRestorable(fold);
      // Revoke takes the same scope.
      const revokes = books.figures.totalRevoked > 0n;
      const expires =
        expired > 0n || revokes || lots.some(({ expireTime }) => expireTime !== undefined);
      const account = await begin({
        userId,
        digest: Buffer.from(fold.hash).toString("base64url"),
        needs: [
          ...(expires ? EXPIRE : []),
          ...(refunded > 0n ? REFUND : []),
          ...(policies.size > 0 || books.figures.debt > 0n ? POLICY : []),
        ],
      });
      await restore(fold, account);
      return account.outcome();
    },
  };
}

const EXPIRE = ["expire"] as const;
const REFUND = ["refund"] as const;
const POLICY = ["policy"] as const;

function badUnit(line: number, lines: number, error: unknown): Unit {
  return {
    line,
    lines,
    run() {
      throw error;
    },
  };
}

function requireFirst(seen: NumbersByName, name: string, line: number, what: string): void {
  const before = seen.get(name);
  if (before !== 0) throw new BadLine(`${what} is on line ${before} already`);
  seen.set(name, line);
}

type Kind = keyof typeof NAMES;

const NAMES = { account: "accounts", operation: "operations", entry: "entries" } as const;

function kindOf(fields: Readonly<Record<string, unknown>>): Kind {
  if ("sequence" in fields && "kind" in fields) return "entry";
  if (OperationSchema.fields.some(({ jsonName }) => jsonName in fields)) return "operation";
  if ("balance" in fields || "user_id" in fields) return "account";
  throw new BadLine("is neither an account, nor an operation, nor an entry");
}
