import type { Command } from "../ledger/command.ts";
import type { Rejection } from "../ledger/rejection.ts";
import { type Batcher, type BatcherOptions, createBatcher } from "./batcher.ts";
import type { Answered, Result } from "./commit.ts";
import { laneNumber } from "./lanes.ts";

/** Queues commands of one caller, and gives their results once all of them are committed. */
export type Submit = (
  commands: readonly Command[],
  signal?: AbortSignal,
) => Promise<readonly (Answered | Rejection | Error)[]>;

/** Group commit of commands: a user's commands share a lane and keep their order. */
export type GroupCommit = Batcher<Command, Result>;

type Options = Omit<BatcherOptions<Command, Result>, "ownerOf">;

/** Makes a group commit; `run` commits a batch. */
export function createGroupCommit({ run, lanes, batchMaxOps, queueMaxOps }: Options): GroupCommit {
  const ownerOf = ({ userId }: Command) => laneNumber(userId);
  return createBatcher<Command, Result>({ run, ownerOf, lanes, batchMaxOps, queueMaxOps });
}
