import { setTimeout as sleep } from "node:timers/promises";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, onTestFinished } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { WAIT_MS } from "./patience.ts";
import { sessionsTo } from "./processes.ts";

/** Runs SQL on a database; gives the rows as `pg` does. */
export type Query = (sql: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** One operation of a load, and its outcome. */
export type Operation = {
  readonly kind: "recharge" | "consume";
  readonly userId: string;
  readonly requestId: string;
  readonly points: bigint;
  attempts: number;
  /** The server's answer: the entry, a refusal, or that it was not applied. */
  outcome:
    | undefined
    | { readonly kind: "answered"; readonly entry: Entry; readonly replayed: boolean }
    | { readonly kind: "refused"; readonly reason: string };
};

export type Load = {
  /** All operations so far, in the order of their start. */
  readonly operations: readonly Operation[];
  /** Sends new and repeated operations to these servers, round robin. */
  aim(clients: readonly Client<typeof PointsService>[]): void;
  /** Starts no more operations, and waits for the outcome of each operation under way. */
  finish(): Promise<readonly Operation[]>;
};

/**
 * Load generator: recharges and consumes without a pause. An operation without an answer is repeated
 * under the same request id until it has one (idempotency), unless `repeats` is false. Every fourth
 * operation that the server calls NOT_APPLIED is not repeated, so that a false answer is found.
 */
export function startLoad(options: {
  readonly clients: readonly Client<typeof PointsService>[];
  readonly users: readonly string[];
  /** The number of operations in flight. */
  readonly concurrency: number;
  readonly repeats?: boolean;
}): Load {
  const { users, repeats = true } = options;
  const operations: Operation[] = [];
  const bugs: unknown[] = [];
  let { clients } = options;
  let stopping = false;
  let isOver = false;
  onTestFinished(() => {
    stopping = true;
    isOver = true;
  });

  async function attempt(operation: Operation): Promise<Operation["outcome"]> {
    const client = clients[(operations.length + operation.attempts) % clients.length];
    operation.attempts += 1;
    try {
      return await send(client!, operation);
    } catch (error) {
      const info = infoOf(error);
      const reason = info?.reason ?? "";
      if (REFUSALS.has(reason)) return { kind: "refused", reason };
      if (UNEXPECTED.has(reason)) bugs.push(error);
      const isTold = info?.metadata["outcome"] === "NOT_APPLIED" && operation.attempts === 1;
      const isBelieved = isTold && (!repeats || operations.indexOf(operation) % 4 === 0);
      return isBelieved ? { kind: "refused", reason } : undefined;
    }
  }

  async function work(): Promise<void> {
    while (!stopping && bugs.length === 0) {
      const operation = operationOf(operations.length, users);
      operations.push(operation);
      do {
        operation.outcome = await attempt(operation);
        if (operation.outcome === undefined) await sleep(20);
      } while (operation.outcome === undefined && repeats && bugs.length === 0 && !isOver);
    }
  }

  const workers = Array.from({ length: options.concurrency }, work);
  return {
    operations,
    aim(next) {
      clients = next;
    },
    async finish() {
      stopping = true;
      await Promise.all(workers);
      if (bugs.length > 0) throw bugs[0];
      return operations;
    },
  };
}

/** Clients of a server over several connections, closed at the end of the test. */
export function clientsOf(
  { baseUrl }: { readonly baseUrl: string },
  connections = 2,
): Client<typeof PointsService>[] {
  return Array.from({ length: connections }, () => {
    const sessionManager = sessionsTo(baseUrl);
    const transport = createGrpcTransport({
      baseUrl,
      sessionManager,
      defaultTimeoutMs: WAIT_MS / 2,
    });
    return createClient(PointsService, transport);
  });
}

/**
 * Compares the answers to a load with the database: each acknowledged operation is there once, as
 * answered, and no refused operation is there.
 *
 * @returns the operations that are there although no caller got the answer
 */
export async function compareWithDatabase(
  operations: readonly Operation[],
  query: Query,
): Promise<readonly Operation[]> {
  const rows = (await query(
    `select user_id, request_id, sequence, kind, points, balance, encode(hash, 'hex') as hash
     from points.journal where request_id is not null`,
  )) as EntryColumns[];
  const found = new Map(rows.map((row) => [row.request_id, row]));
  expect(found.size, "each request id is there once").toBe(rows.length);

  const unanswered: Operation[] = [];
  const wrong: string[] = [];
  for (const operation of operations) {
    const { requestId, outcome } = operation;
    const row = found.get(requestId);
    found.delete(requestId);
    if (outcome?.kind === "answered") {
      if (row === undefined) wrong.push(`${requestId} was answered and is not there`);
      else if (JSON.stringify(row) !== JSON.stringify(columnsOf(outcome.entry))) {
        wrong.push(`${requestId} is ${JSON.stringify(row)}, not what was answered`);
      }
    } else if (row !== undefined) {
      if (outcome === undefined) unanswered.push(operation);
      else wrong.push(`${requestId} was refused with ${outcome.reason} and is there`);
    }
  }
  expect(wrong.slice(0, 20)).toEqual([]);
  expect([...found.keys()].slice(0, 20), "nothing is there that nobody asked for").toEqual([]);
  return unanswered;
}

/** A summary of a load. */
export function countsOf(operations: readonly Operation[]) {
  const counts = { answered: 0, refused: 0, unanswered: 0, repeated: 0, replayed: 0 };
  for (const { outcome, attempts } of operations) {
    counts[outcome?.kind ?? "unanswered"] += 1;
    if (attempts > 1) counts.repeated += 1;
    if (outcome?.kind === "answered" && outcome.replayed) counts.replayed += 1;
  }
  return counts;
}

type EntryColumns = {
  user_id: string;
  request_id: string;
  sequence: string;
  kind: string;
  points: string;
  balance: string;
  hash: string;
};

/** The refusals to expect in a load whose users run out of points. */
const REFUSALS = new Set(["INSUFFICIENT_POINTS", "ACCOUNT_NOT_FOUND"]);

/** The reasons that no load may ever get, whatever is killed. */
const UNEXPECTED = new Set([
  "INTERNAL",
  "FIELD_INVALID",
  "REQUEST_ID_REUSED",
  "UNIMPLEMENTED",
  "MESSAGE_TOO_LARGE",
]);

function operationOf(index: number, users: readonly string[]): Operation {
  const userId = users[index % users.length]!;
  // Every third operation recharges: about as many points come as go, and some users run out.
  const kind = Math.floor(index / users.length) % 3 === 0 ? "recharge" : "consume";
  const points = BigInt(kind === "recharge" ? 60 + (index % 40) : 1 + (index % 79));
  return { kind, userId, requestId: `r${index}`, points, attempts: 0, outcome: undefined };
}

async function send(
  client: Client<typeof PointsService>,
  { kind, userId, requestId, points }: Operation,
): Promise<Operation["outcome"]> {
  const metadata = { of: requestId };
  const named = { userId, requestId, metadata };
  // Some points expire while the load lasts.
  const expiration =
    points % 5n === 0n
      ? { case: "ttl" as const, value: { seconds: 1n, nanos: 0 } }
      : { case: undefined };
  const { entry, replayed } =
    kind === "recharge"
      ? await client.recharge({ ...named, points, expiration })
      : await client.consume({ ...named, cost: { case: "points", value: points } });
  if (entry === undefined) throw new Error(`${requestId} was answered without an entry`);
  return { kind: "answered", entry, replayed };
}

function infoOf(error: unknown) {
  return ConnectError.from(error).findDetails(ErrorInfoSchema)[0];
}

/** An answered entry as `compareWithDatabase` reads it from the database. */
function columnsOf(entry: Entry): EntryColumns {
  return {
    user_id: entry.userId,
    request_id: entry.requestId,
    sequence: String(entry.sequence),
    kind: entry.kind === EntryKind.RECHARGE ? "recharge" : "consume",
    points: String(entry.points),
    balance: String(entry.balanceAfter),
    hash: Buffer.from(entry.hash).toString("hex"),
  };
}
