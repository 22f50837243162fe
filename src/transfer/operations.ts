import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { ConnectError } from "@connectrpc/connect";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import {
  type Operation,
  type OperationSchema,
  RechargeRequestSchema,
} from "../../gen/points/v1/points_pb.ts";
import { type Refusal, refusalOf } from "../client/refusal.ts";
import { sha256 } from "../encoding/sha256.ts";
import { validate } from "../rpc/validate.ts";
import { BadLine } from "./bad-line.ts";
import type { Send } from "./send.ts";

/** An operation without its user, request id and metadata. */
export type Draft = Exclude<
  NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>,
  { case: undefined; value?: undefined }
>;

/** Applies an operation, named uniquely within its account, and gives its entry if it has one. */
export type Apply = (name: string, draft: Draft) => Promise<Entry | undefined>;

/** The result of an operation. */
export type Applied = {
  readonly entry: Entry | undefined;
  readonly replayed: boolean;
  /** The sequence of the account's last entry by then. */
  readonly sequence: bigint;
};

/**
 * Applies one operation.
 *
 * @throws {BadLine} if the server refuses it
 */
export async function applyOperation(send: Send, operation: Operation): Promise<Applied> {
  const { result } = await send(operation);
  if (result.case === undefined) throw new BadLine("has an answer that this version cannot read");
  if (result.case !== "error") {
    const { entry, replayed, account } = result.value;
    return { entry, replayed, sequence: account?.sequence ?? 0n };
  }
  throw refusedWith(result.value.message, refusalOf(result.value));
}

/** The error for a refusal, with its fields and its reason. */
export function refusedWith(message: string, refusal: Refusal | undefined): BadLine {
  const fields = refusal?.violations.map(({ field, description }) => `${field} ${description}`);
  const what = fields?.length ? fields.join("; ") : message;
  return new BadLine(refusal === undefined ? what : `${what} (${refusal.reason})`, refusal);
}

/**
 * Checks a recharge against the limits of the contract.
 *
 * @throws {BadLine} that names the field
 */
export function requireLimits(userId: string, recharge: Recharge): void {
  const { points, priority = 0, category = "", services = [], expireTime } = recharge;
  const expiration = expireTime && ({ case: "expireTime", value: expireTime } as const);
  const words = { category, services: [...services] };
  const init = { userId, points, priority, ...words, ...(expiration && { expiration }) };
  try {
    validate(RechargeRequestSchema, create(RechargeRequestSchema, init));
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    throw refusedWith(error.rawMessage, refusalOf(error));
  }
}

type Recharge = {
  readonly points: bigint;
  readonly priority?: number;
  readonly category?: string;
  readonly services?: readonly string[];
  readonly expireTime: Timestamp | undefined;
};

/** 22 characters of a text's SHA-256 in base64url. */
export function digestOf(text: string): string {
  return sha256(Buffer.from(text)).toString("base64url").slice(0, 22);
}
