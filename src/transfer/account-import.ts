import { create } from "@bufbuild/protobuf";
import { OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../client/refusal.ts";
import { BadLine } from "./bad-line.ts";
import { type Apply, applyOperation, type Draft, refusedWith } from "./operations.ts";
import { type MakeAccount, requirePlainServer } from "./plain-server.ts";
import type { Send } from "./send.ts";

/** The import of one account, by operations of its own. */
export type AccountImport = {
  readonly apply: Apply;
  readonly outcome: () => Outcome;
  /**
   * Whether an earlier import has begun it. The first operation shows whether that one had the same
   * digest.
   */
  readonly isBegun: boolean;
};

/** "before": an earlier import has done all of it. "empty": there was nothing to do. */
export type Outcome = "made" | "before" | "empty";

export type ImportPlan = {
  readonly userId: string;
  /** A hash of everything that the account becomes. */
  readonly digest: string;
  /** The operations that may be needed beside Recharge and Consume. */
  readonly needs: readonly Need[];
};

type Need = "expire" | "refund" | "policy";

/** Begins the import of an account. It throws BadLine if that is impossible. */
export type BeginImport = (plan: ImportPlan) => Promise<AccountImport>;

/**
 * Imports accounts with idempotency. Beginning an import changes nothing yet: it checks whether the
 * account has entries of other origin, and whether the caller may do all operations that it needs.
 *
 * The request ids of an account's operations are always the same, so nothing is applied twice. The
 * first operation has the same id whatever the account becomes, and carries the digest of that: so
 * once an import has begun, the server refuses to make anything else of the account.
 *
 * `apply` throws BadLine if the server refuses an operation, and StoppedImport if it gives policies
 * to new accounts.
 */
export function startAccountImports(send: Send): BeginImport {
  // Allowed for any user. `findAccount` shows whether the caller may touch this one.
  const allowed = new Set<Need>();
  const make = requirePlainServer(send);
  return async (plan) => {
    const asked = plan.needs.filter((need) => !allowed.has(need));
    const asking = asked.map((need) => requireAllowed(send, plan.userId, need));
    const [found] = await Promise.all([findAccount(send, plan), ...asking]);
    for (const need of asked) allowed.add(need);
    return openImport(send, plan, { found, make });
  };
}

function openImport(
  send: Send,
  { userId, digest }: ImportPlan,
  { found, make }: { readonly found: Found; readonly make: MakeAccount },
): AccountImport {
  let isRepeat = true;
  let first: string | undefined;
  const apply: Apply = async (name, draft) => {
    first ??= name;
    const isFirst = name === first;
    const requestId = isFirst ? FIRST_ID : `${FIRST_ID}-${name}`;
    const operation = operationOf(draft, { userId, requestId, digest });
    const isMaking = isFirst && found === "none";
    const applied = isMaking ? make(operation) : applyOperation(send, operation);
    const { entry, replayed } = await applied.catch((error: unknown) => {
      throw isFirst ? describeReuse(error, userId) : error;
    });
    // Otherwise the next operation might consume or freeze points that somebody else recharged.
    if (isFirst && entry?.sequence !== 1n) throw disturbed(userId, entry?.sequence);
    isRepeat &&= replayed;
    return entry;
  };
  const outcome = () => (first === undefined ? "empty" : isRepeat ? "before" : "made");
  return { apply, outcome, isBegun: found === "begun" };
}

const FIRST_ID = "import";
/** A number that no lot, hold or entry has. */
const NO_NUMBER = 2n ** 63n - 1n;

/** Whether the account is there: without entries, or with those of an import. */
type Found = "none" | "empty" | "begun";

/**
 * Whether the first operation has been applied already. It throws if there are other entries.
 *
 * It sends a Release of a hold that does not exist, with that operation's request id. The server
 * changes nothing and does not remember refusals, but its reason tells: it looks request ids up
 * before accounts, and accounts before holds.
 */
async function findAccount(send: Send, { userId }: ImportPlan): Promise<Found> {
  const probe: Draft = { case: "release", value: { hold: NO_NUMBER } };
  const { message, refusal } = await refusedOf(send, probe, { userId, requestId: FIRST_ID });
  switch (refusal?.reason) {
    case "ACCOUNT_NOT_FOUND":
      return "none";
    case "REQUEST_ID_REUSED":
      if (refusal.sequence === 1n) return "begun";
      throw hadEntries(userId);
    case "HOLD_NOT_FOUND": {
      const due = operationOf({ case: "expire", value: { target: DUE } }, { userId });
      const { sequence } = await applyOperation(send, due);
      if (sequence > 0n) throw hadEntries(userId);
      return "empty";
    }
    default:
      throw refusedWith(message, refusal);
  }
}

const DUE = { case: "due", value: true } as const;

/** Sends the operation for a number that does not exist: the server checks permission first. */
async function requireAllowed(send: Send, userId: string, need: Need): Promise<void> {
  const { result } = await send(operationOf(PROBES[need], { userId }));
  if (result.case !== "error") return;
  const { message } = result.value;
  const refusal = refusalOf(result.value);
  const expected = ["ACCOUNT_NOT_FOUND", "LOT_NOT_FOUND", "ENTRY_NOT_FOUND", "POLICY_NOT_FOUND"];
  if (!expected.includes(refusal?.reason ?? "")) throw refusedWith(message, refusal);
}

const PROBES: Record<Need, Draft> = {
  expire: { case: "expire", value: { target: { case: "lot", value: NO_NUMBER } } },
  refund: { case: "refund", value: { sequence: NO_NUMBER } },
  // An account may have it: so this one is only tried.
  policy: { case: "deletePolicy", value: { name: "import-probe", validateOnly: true } },
};

/** The refusal of an operation that cannot succeed. Not thrown: each line needs one. */
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

function describeReuse(error: unknown, userId: string): unknown {
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
