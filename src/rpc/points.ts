import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Result } from "../commit/commit.ts";
import type { Answer } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import { isRejection } from "../ledger/rejection.ts";
import { toAccountMessage, toMutationAnswer } from "./answers.ts";
import { toConsume, toExpire, toRecharge } from "./commands.ts";
import { rejectionError } from "./errors.ts";

/** Queues a command and gives what it came to, once it is committed. */
export type Submit = (command: Command, signal?: AbortSignal) => Promise<Result>;

/** The RPCs of PointsService: translate, submit, translate. */
export function pointsService(submit: Submit): ServiceImpl<typeof PointsService> {
  const answerTo = async (command: Command, { signal }: HandlerContext): Promise<Answer> => {
    const result = await submit(command, signal);
    if (result instanceof Error) throw result;
    if (isRejection(result)) throw rejectionError(result);
    return result;
  };
  return {
    async getOrCreate({ userId }, context) {
      const { account, created } = await answerTo({ kind: "open", userId }, context);
      return { account: toAccountMessage(account), created };
    },
    async recharge(request, context) {
      return toMutationAnswer(await answerTo(toRecharge(request), context));
    },
    async consume(request, context) {
      return toMutationAnswer(await answerTo(toConsume(request), context));
    },
    async expire(request, context) {
      return toMutationAnswer(await answerTo(toExpire(request), context));
    },
  };
}
