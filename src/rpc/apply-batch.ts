import type { HandlerContext } from "@connectrpc/connect";
import type { Operation } from "../../gen/points/v1/points_pb.ts";
import { callerKey } from "../auth/caller.ts";
import type { Mutation } from "../ledger/command.ts";
import {
  commandOf,
  isCommand,
  type OperationServer,
  type Result,
  resultOf,
  speakingForAttempts,
} from "./operation.ts";
import { createPause } from "./pause.ts";

/** Handles ApplyBatch: one result an operation, in their order. It never throws. */
export async function applyBatch(
  given: OperationServer,
  operations: readonly Operation[],
  context: HandlerContext,
): Promise<Result[]> {
  const { signal, values } = context;
  const server = speakingForAttempts(given, context);
  const caller = values.get(callerKey);
  // The request itself was counted as one operation when it was admitted.
  server.rate.add(caller.name, operations.length - 1);
  const pause = createPause();
  const commands: (Mutation | Result)[] = [];
  for (const operation of operations) {
    commands.push(commandOf(server, operation, caller));
    await pause();
  }
  const outcomes = (await server.submit(commands.filter(isCommand), signal)).values();
  const results: Result[] = [];
  for (const command of commands) {
    const isQueued = isCommand(command);
    results.push(isQueued ? resultOf(server, command, outcomes.next().value!) : command);
    await pause();
  }
  return results;
}
