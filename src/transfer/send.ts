import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  ApplyBatchRequestSchema,
  type Operation,
  type OperationResult,
  OperationResultSchema,
  type PointsService,
} from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../client/refusal.ts";
import { isUnanswered } from "../client/unanswered.ts";
import { createBatcher } from "../commit/batcher.ts";
import { laneNumber } from "../commit/lanes.ts";

/** Sends one operation, and returns its result: an answer, or a final refusal. */
export type Send = (operation: Operation) => Promise<OperationResult>;

type PointsClient = Client<typeof PointsService>;

const LANES = 4;
const BATCH_MAX_OPS = 1000;
const CALL_MS = 60_000;
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 5_000;

/**
 * Group commit on the client: waiting operations go together in one ApplyBatch, several calls at a
 * time. The operations of one user are applied in order. Operations that got no answer, or were
 * refused because the server is full, are retried with the same request ids, with backoff.
 *
 * @param patienceMs the longest time without any answer
 */
export function startSending(client: PointsClient, patienceMs = 120_000): Send {
  // Undefined before the first answer: there may be no server to wait for.
  let answeredAt: number | undefined;
  const waitOn = (error: ConnectError) => {
    if (answeredAt === undefined || performance.now() - answeredAt > patienceMs) throw error;
  };

  async function run(operations: readonly Operation[]): Promise<readonly OperationResult[]> {
    const results: OperationResult[] = [];
    let left = operations.map((operation, index) => ({ operation, index }));
    for (let attempt = 0; left.length > 0; attempt++) {
      const sent = left;
      const { answers, waitMs } = await call(sent.map(({ operation }) => operation));
      left = sent.filter((_, at) => answers[at] === undefined);
      for (const [at, { index }] of sent.entries()) {
        const answer = answers[at];
        if (answer !== undefined) results[index] = answer;
      }
      if (left.length < sent.length) attempt = 0;
      if (left.length > 0) await sleep(waitMs + jitterMs(attempt));
    }
    return results;
  }

  async function call(operations: Operation[]): Promise<Answers> {
    try {
      const request = create(ApplyBatchRequestSchema, { operations });
      const { results } = await client.applyBatch(request, { timeoutMs: CALL_MS });
      answeredAt ??= performance.now();
      const settled = settledResults(operations, results);
      if (settled.answers.some((answer) => answer !== undefined)) answeredAt = performance.now();
      else waitOn(firstError(results));
      return settled;
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      const refusal = refusalOf(error);
      if (refusal?.reason === "MESSAGE_TOO_LARGE") return callInHalves(operations, error);
      if (!isTransient(error.code) && !isUnanswered(error)) throw error;
      if (refusal !== undefined) answeredAt ??= performance.now();
      waitOn(error);
      return { answers: operations.map(() => undefined), waitMs: refusal?.retryDelayMs ?? 0 };
    }
  }

  async function callInHalves(operations: Operation[], error: ConnectError): Promise<Answers> {
    if (operations.length === 1) {
      const value = create(StatusSchema, { code: error.code, message: error.rawMessage });
      const result = create(OperationResultSchema, { result: { case: "error", value } });
      return { answers: [result], waitMs: 0 };
    }
    const middle = Math.ceil(operations.length / 2);
    const first = await run(operations.slice(0, middle));
    const second = await run(operations.slice(middle));
    return { answers: [...first, ...second], waitMs: 0 };
  }

  const batcher = createBatcher<Operation, OperationResult>({
    lanes: LANES,
    ownerOf: ({ operation }) => laneNumber(operation.value?.userId ?? ""),
    run,
    batchMaxOps: BATCH_MAX_OPS,
    queueMaxOps: Number.MAX_SAFE_INTEGER,
  });
  return async (operation) => {
    const [result] = await batcher.submit([operation]);
    if (result instanceof Error) throw result;
    return result!;
  };
}

/** A result for each operation. Undefined: send it again, after `waitMs` at the earliest. */
type Answers = {
  readonly answers: readonly (OperationResult | undefined)[];
  readonly waitMs: number;
};

/** After an operation that is sent again, a refusal of the same user is not final either. */
function settledResults(
  operations: readonly Operation[],
  results: readonly OperationResult[],
): Answers {
  const again = new Set<string>();
  let waitMs = 0;
  const answers = results.map((result, index) => {
    const userId = operations[index]!.operation.value?.userId ?? "";
    if (result.result.case !== "error") return result;
    const { value: status } = result.result;
    if (isTransient(status.code)) {
      waitMs = Math.max(waitMs, refusalOf(status)?.retryDelayMs ?? 0);
      again.add(userId);
    }
    return again.has(userId) ? undefined : result;
  });
  return { answers, waitMs };
}

function firstError(results: readonly OperationResult[]): ConnectError {
  const error = results.map(({ result }) => result).find((result) => result.case === "error");
  return new ConnectError(error?.value.message ?? "there is no result", Code.Unavailable);
}

const TRANSIENT: ReadonlySet<number> = new Set([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.DeadlineExceeded,
  // For a connection that broke.
  Code.Aborted,
  Code.Canceled,
]);

function isTransient(code: number): boolean {
  return TRANSIENT.has(code);
}

function jitterMs(attempt: number): number {
  return Math.random() * Math.min(BACKOFF_MS * 2 ** attempt, BACKOFF_MAX_MS);
}
