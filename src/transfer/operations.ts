import { createHash } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { type Operation, OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { type Refusal, refusalOf } from "../client/refusal.ts";
import { MAX_POINTS } from "../ledger/account.ts";
import type { Send } from "./send.ts";

/** What is wrong with a line, or what the server refused it with. */
export class BadLine extends Error {
  readonly refusal: Refusal | undefined;

  constructor(message: string, refusal?: Refusal) {
    super(message);
    this.refusal = refusal;
  }
}

/** An operation but for its user, its request id and its metadata. */
export type Draft = Exclude<
  NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>,
  { case: undefined; value?: undefined }
>;

/** Applies an operation of one account, named within it, and gives its answer. */
export type Apply = (name: string, draft: Draft) => Promise<Done>;

/** What an operation came to. */
export type Done = { readonly entry: Entry | undefined; readonly replayed: boolean };

/** Operations that make one account, and whether all of them so far were applied before. */
export type Making = { readonly apply: Apply; readonly wasDone: () => boolean };

/**
 * Makes an account what it was elsewhere, by operations whose request ids are the same each time,
 * so that nothing is applied twice. They carry the digest of what the account was, so that the
 * server refuses to make it another one too, under the same ids.
 *
 * `apply` throws `BadLine` if the server refuses an operation, or the account had entries before.
 */
export function startMaking(send: Send, userId: string, digest: string): Making {
  let wasDone = true;
  let isFirst = true;
  const apply: Apply = async (name, { case: kind, value }) => {
    const common = { userId, requestId: `import-${name}`, metadata: { import: digest } };
    const operation = { case: kind, value: { ...value, ...common } } as Draft;
    const done = await applyOperation(send, create(OperationSchema, { operation }));
    // Else what is consumed or frozen next might be points that were there before.
    if (isFirst && done.entry?.sequence !== 1n) {
      const at = `began with entry ${done.entry?.sequence}, and was stopped`;
      throw new BadLine(`${userId} had entries before: its import ${at}`);
    }
    isFirst = false;
    wasDone &&= done.replayed;
    return done;
  };
  return { apply, wasDone: () => !isFirst && wasDone };
}

/**
 * Applies one operation.
 *
 * @throws {BadLine} if the server refuses it
 */
export async function applyOperation(send: Send, operation: Operation): Promise<Done> {
  const { result } = await send(operation);
  if (result.case === undefined) throw new BadLine("has an answer that this version cannot read");
  if (result.case !== "error") {
    const { entry, replayed } = result.value;
    return { entry, replayed };
  }
  const refusal = refusalOf(result.value);
  const fields = refusal?.violations.map(({ field, description }) => `${field} ${description}`);
  const what = fields?.length ? fields.join("; ") : result.value.message;
  throw new BadLine(refusal === undefined ? what : `${what} (${refusal.reason})`, refusal);
}

/** So many points in parts that one operation may move, numbered from 1. */
export function* inParts(points: bigint): Generator<{ part: bigint; number: number }> {
  let left = points;
  for (let number = 1; left > 0n; number++) {
    const part = left < MAX_POINTS ? left : MAX_POINTS;
    yield { part, number };
    left -= part;
  }
}

/** 22 characters that stand for a text. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}
