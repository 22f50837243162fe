import { create, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import { EntrySchema } from "../../../gen/points/v1/account_pb.ts";
import {
  type ApplyRequestSchema,
  type Operation,
  OperationSchema,
} from "../../../gen/points/v1/points_pb.ts";
import type { Points } from "../deployment/targets.ts";
import {
  answerOutcome,
  type Asked,
  type Attempt,
  type Outcome,
  outcomeOf,
  thrownOutcome,
} from "./history.ts";
import { type Account, learn } from "./operations.ts";

/** An operation to send or to retry. */
type Item = { readonly account: Account; readonly asked: Asked };

/** Called with each item and its outcome, once an attempt is over. */
export type Done<T> = (item: T, outcome: Outcome) => void;

/** Sends one operation as a unary call. */
export async function sendAlone<T extends Item>(
  points: Points,
  item: T,
  options: CallOptions,
  done: Done<T>,
): Promise<void> {
  const [attempt] = begin([item]);
  try {
    finish(item, attempt!, answerOutcome(await call(points, item.asked, options)), done);
  } catch (thrown) {
    finish(item, attempt!, thrownOutcome(thrown), done);
  }
}

/** Sends an operation that is only to be validated, as a unary call. */
export async function sendTrial(
  points: Points,
  operation: Asked["operation"],
  options: CallOptions,
): Promise<Outcome> {
  try {
    return answerOutcome(await call(points, { operation }, options));
  } catch (thrown) {
    return thrownOutcome(thrown);
  }
}

/** Sends operations as one ApplyBatch. */
export async function sendBatch<T extends Item>(
  points: Points,
  items: readonly T[],
  options: CallOptions,
  done: Done<T>,
): Promise<void> {
  const attempts = begin(items);
  const operations = items.map(({ asked }) => operationOf(asked));
  try {
    const { results } = await points.applyBatch({ operations }, options);
    for (const [index, item] of items.entries()) {
      finish(item, attempts[index]!, outcomeOf(results[index]?.result), done);
    }
  } catch (thrown) {
    const outcome = thrownOutcome(thrown);
    for (const [index, item] of items.entries()) finish(item, attempts[index]!, outcome, done);
  }
}

/**
 * Sends operations through one Apply stream, and checks that results of a user come in order.
 *
 * @param take gives operations for the room that there is; the stream ends if it gives none
 * @param roomMax the maximum of operations under way
 */
export async function sendStream<T extends Item>(
  points: Points,
  take: (room: number) => readonly T[],
  roomMax: number,
  options: CallOptions,
  done: Done<T>,
): Promise<void> {
  const requests = createWritableIterable<MessageShape<typeof ApplyRequestSchema>>();
  const underWay = new Map<string, { item: T; attempt: Attempt }>();
  // By user: the place of the last answered operation.
  const answered = new Map<string, number>();
  const stream = (callNumber += 1);
  let place = 0;
  let isEnding = false;

  function write(): void {
    const items = isEnding ? [] : take(roomMax - underWay.size);
    if (items.length === 0 && underWay.size === 0) isEnding = true;
    for (const item of items) {
      // The same operation may be under way twice, so its own tag is not unique here.
      const tag = `${(place += 1)}`;
      const attempt = newAttempt(stream, place);
      item.asked.attempts.push(attempt);
      underWay.set(tag, { item, attempt });
      const operation = operationOf(item.asked);
      requests.write({ $typeName: "points.v1.ApplyRequest", tag, operation }).catch(() => {});
    }
    if (isEnding) requests.close();
  }

  let error: Outcome = { kind: "wrong", reason: "the stream ended without this result" };
  try {
    write();
    for await (const { tag, result } of points.apply(requests, options)) {
      const found = underWay.get(tag);
      if (found === undefined) throw new Error(`a result with the unknown tag ${tag}`);
      underWay.delete(tag);
      const { userId } = found.item.account.history;
      const isInOrder = found.attempt.place > (answered.get(userId) ?? 0);
      answered.set(userId, found.attempt.place);
      const outcome = isInOrder ? outcomeOf(result?.result) : OUT_OF_ORDER;
      finish(found.item, found.attempt, outcome, done);
      if (underWay.size < roomMax / 2 && !isEnding) write();
    }
  } catch (thrown) {
    const outcome = thrownOutcome(thrown);
    // The server read no further, but operations that it had read may have been applied.
    error = outcome.kind === "wrong" ? outcome : { ...unknown(outcome) };
  } finally {
    requests.close();
  }
  for (const { item, attempt } of underWay.values()) finish(item, attempt, error, done);
}

const OUT_OF_ORDER: Outcome = { kind: "wrong", reason: "results of one user out of order" };
let callNumber = 0;

function begin(items: readonly Item[]): Attempt[] {
  const number = (callNumber += 1);
  return items.map(({ asked }, place) => {
    const attempt = newAttempt(number, place);
    asked.attempts.push(attempt);
    return attempt;
  });
}

function newAttempt(ofCall: number, place: number): Attempt {
  return { start: performance.now(), end: Infinity, call: ofCall, place, outcome: undefined };
}

function finish<T extends Item>(item: T, attempt: Attempt, outcome: Outcome, done: Done<T>): void {
  const { account } = item;
  attempt.outcome = outcome;
  // An attempt with an unknown outcome may be applied at any later time.
  if (outcome.kind !== "unknown" && outcome.kind !== "wrong") attempt.end = performance.now();
  if (outcome.kind === "applied" && outcome.entry !== undefined) {
    learn(account, fromBinary(EntrySchema, outcome.entry));
  }
  done(item, outcome);
}

function unknown(outcome: Outcome): Outcome {
  return { kind: "unknown", reason: "reason" in outcome ? outcome.reason : outcome.kind };
}

function operationOf({ operation }: Asked): Operation {
  const message = create(OperationSchema);
  message.operation = operation;
  return message;
}

function call(points: Points, { operation }: Pick<Asked, "operation">, options: CallOptions) {
  switch (operation.case) {
    case "recharge":
      return points.recharge(operation.value, options);
    case "consume":
      return points.consume(operation.value, options);
    case "expire":
      return points.expire(operation.value, options);
    case "revoke":
      return points.revoke(operation.value, options);
    case "freeze":
      return points.freeze(operation.value, options);
    case "extendHold":
      return points.extendHold(operation.value, options);
    case "settle":
      return points.settle(operation.value, options);
    case "release":
      return points.release(operation.value, options);
    case "refund":
      return points.refund(operation.value, options);
    case "putPolicy":
      return points.putPolicy(operation.value, options);
    case "deletePolicy":
      return points.deletePolicy(operation.value, options);
  }
}
