import { create } from "@bufbuild/protobuf";
import { OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../client/refusal.ts";
import { BadLine } from "./bad-line.ts";
import { type Apply, applyOperation, type Draft, refusedWith } from "./operations.ts";
import type { Send } from "./send.ts";

/** Operations that make one account, and what they have come to so far. */
export type Making = {
  readonly apply: Apply;
  readonly outcome: () => Outcome;
  /** Whether an import began it before; of this or of something else, the first operation shows. */
  readonly isBegun: boolean;
};

/** All of it was done by an import before; or there was nothing to do. */
export type Outcome = "made" | "before" | "empty";

/** What is to be made. */
export type Plan = {
  readonly userId: string;
  /** Stands for all that the account is to be. */
  readonly digest: string;
  /** What may be needed beside Recharge and Consume. */
  readonly needs: readonly Need[];
};

type Need = "expire" | "refund";

/** Begins to make an account. It throws BadLine if it cannot be made. */
export type Begin = (plan: Plan) => Promise<Making>;

/**
 * Makes accounts what they were elsewhere. To begin one changes nothing yet: it finds out whether
 * the account has entries that are not of this import, and whether the caller may do all that is
 * needed.
 *
 * The operations' request ids are the same each time, so nothing is applied twice. The first one's
 * is the same for whatever the account is to be, and it carries the digest of that: so the server
 * refuses to make of an account, once begun, anything else.
 *
 * `apply` throws BadLine if the server refuses an operation.
 */
export function startMaking(send: Send): Begin {
  // Of all users: `findBegun` shows whether the caller may touch the one.
  const allowed = new Set<Need>();
  return async (plan) => {
    const asked = plan.needs.filter((need) => !allowed.has(need));
    const asking = asked.map((need) => requireAllowed(send, plan.userId, need));
    const [isBegun] = await Promise.all([findBegun(send, plan), ...asking]);
    for (const need of asked) allowed.add(need);
    return making(send, plan, isBegun);
  };
}

function making(send: Send, { userId, digest }: Plan, isBegun: boolean): Making {
  let wasDone = true;
  let first: string | undefined;
  const apply: Apply = async (name, draft) => {
    first ??= name;
    const isFirst = name === first;
    const requestId = isFirst ? FIRST_ID : `${FIRST_ID}-${name}`;
    const operation = operationOf(draft, { userId, requestId, digest });
    const { entry, replayed } = await applyOperation(send, operation).catch((error: unknown) => {
      throw isFirst ? begunOtherwise(error, userId) : error;
    });
    // Else what is consumed or frozen next might be points of somebody who came in between.
    if (isFirst && entry?.sequence !== 1n) throw disturbed(userId, entry?.sequence);
    wasDone &&= replayed;
    return entry;
  };
  const outcome = () => (first === undefined ? "empty" : wasDone ? "before" : "made");
  return { apply, outcome, isBegun };
}

const FIRST_ID = "import";
/** What no lot, hold or entry has as its number. */
const NO_NUMBER = 2n ** 63n - 1n;

/**
 * Whether there is an entry of the first operation already; if there are other entries, it throws.
 *
 * It asks to release a hold that is not there, under that operation's request id. That changes
 * nothing, and a refusal is not remembered; but ids are looked up before accounts, and accounts
 * before holds.
 */
async function findBegun(send: Send, { userId }: Plan): Promise<boolean> {
  const probe: Draft = { case: "release", value: { hold: NO_NUMBER } };
  const { message, refusal } = await refusedOf(send, probe, { userId, requestId: FIRST_ID });
  switch (refusal?.reason) {
    case "ACCOUNT_NOT_FOUND":
      return false;
    case "REQUEST_ID_REUSED":
      if (refusal.sequence === 1n) return true;
      throw hadEntries(userId);
    case "HOLD_NOT_FOUND": {
      const due = operationOf({ case: "expire", value: { target: DUE } }, { userId });
      const { sequence } = await applyOperation(send, due);
      if (sequence > 0n) throw hadEntries(userId);
      return false;
    }
    default:
      throw refusedWith(message, refusal);
  }
}

const DUE = { case: "due", value: true } as const;

/** Asks for it where there is nothing to do it to: who may not is told so first. */
async function requireAllowed(send: Send, userId: string, need: Need): Promise<void> {
  const probe: Draft =
    need === "refund"
      ? { case: "refund", value: { sequence: NO_NUMBER } }
      : { case: "expire", value: { target: { case: "lot", value: NO_NUMBER } } };
  const { message, refusal } = await refusedOf(send, probe, { userId });
  const expected = ["ACCOUNT_NOT_FOUND", "LOT_NOT_FOUND", "ENTRY_NOT_FOUND"];
  if (!expected.includes(refusal?.reason ?? "")) throw refusedWith(message, refusal);
}

/** Why something is refused that must be. Each line comes here, so no Error is made of it. */
async function refusedOf(send: Send, draft: Draft, common: Common) {
  const { result } = await send(operationOf(draft, common));
  if (result.case !== "error") throw new Error(`there is a lot, hold or entry ${NO_NUMBER}`);
  return { message: result.value.message, refusal: refusalOf(result.value) };
}

type Common = {
  readonly userId: string;
  readonly requestId?: string;
  readonly digest?: string;
};

function operationOf({ case: kind, value }: Draft, { userId, requestId = "", digest }: Common) {
  const common = { userId, requestId, metadata: digest === undefined ? {} : { import: digest } };
  const operation = { case: kind, value: { ...value, ...common } } as Draft;
  return create(OperationSchema, { operation });
}

function begunOtherwise(error: unknown, userId: string): unknown {
  if (!(error instanceof BadLine) || error.refusal?.reason !== "REQUEST_ID_REUSED") return error;
  const what = `an import of ${userId} was made or begun before, and of something else`;
  return new BadLine(`${what}: nothing was changed`, error.refusal);
}

function hadEntries(userId: string): BadLine {
  return new BadLine(`${userId} has entries already, and not by an import: nothing was changed`);
}

function disturbed(userId: string, sequence: bigint | undefined): BadLine {
  return new BadLine(
    `${userId} was changed by others meanwhile: its import began with entry ${sequence}, and was ` +
      `stopped after it`,
  );
}
