import { clone } from "@bufbuild/protobuf";
import { type Operation, OperationSchema } from "../../gen/points/v1/points_pb.ts";
import { BadLine, StoppedImport } from "./bad-line.ts";
import { type Applied, applyOperation } from "./operations.ts";
import type { Send } from "./send.ts";

/** Applies the operation that makes an account: there is none before. */
export type MakeAccount = (operation: Operation) => Promise<Applied>;

/**
 * A server with POLICIES gives policies to the accounts that an import makes. Their points would
 * burn first, and their limits refuse what was spent long ago. Nothing tells of them before an
 * account is made: so accounts are made one at a time until one has no more than its first entry,
 * and the import stops if one has.
 *
 * @returns a function that throws StoppedImport, and BadLine if the server refuses the operation
 */
export function requirePlainServer(send: Send): MakeAccount {
  let isPlain = false;
  let turn: Promise<unknown> = Promise.resolve();
  const make: MakeAccount = async (operation) => {
    const made = await applyOperation(send, operation);
    const next = await nextSequence(send, operation);
    if (next !== undefined) {
      if (next > made.sequence + 1n) throw notPlain(operation);
      isPlain = true;
    }
    return made;
  };
  return (operation) => {
    if (isPlain) return applyOperation(send, operation);
    const made = turn.then(() => (isPlain ? applyOperation(send, operation) : make(operation)));
    // One that is refused stops no other.
    turn = made.catch((error: unknown) => {
      if (error instanceof StoppedImport) throw error;
    });
    turn.catch(() => {});
    return made;
  };
}

/**
 * The number that the account's next entry would have, by a trial of the same operation: for that the
 * caller needs no other scope. Undefined: it is refused, since its lot's time has come, so that the
 * lot may have expired.
 */
async function nextSequence(send: Send, operation: Operation): Promise<bigint | undefined> {
  const trial = clone(OperationSchema, operation);
  const { value } = trial.operation;
  if (value === undefined) throw new Error("the operation is empty");
  value.requestId = "";
  value.validateOnly = true;
  try {
    return (await applyOperation(send, trial)).entry?.sequence;
  } catch (error) {
    if (error instanceof BadLine) return undefined;
    throw error;
  }
}

function notPlain({ operation }: Operation): StoppedImport {
  return new StoppedImport(
    "the server gives policies to new accounts, and they would take part in the import: start it " +
      `without POLICIES. ${operation.value?.userId} has them now, beside the first operation of its ` +
      "import",
  );
}
