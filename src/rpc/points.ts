import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { WatchAccountRequestSchema, type PointsService } from "../../gen/points/v1/points_pb.ts";
import { callerKey } from "../auth/caller.ts";
import { leaseKey } from "../auth/lease.ts";
import { requireUser } from "../auth/rules.ts";
import type { Answer } from "../ledger/batch.ts";
import type { Command } from "../ledger/command.ts";
import type { Orm } from "../store/driver/orm.ts";
import { toAccountMessage, toFreezeAnswer, toMutationAnswer } from "./answers.ts";
import { type SetOperation, toCommand } from "./commands.ts";
import { applyBatch, applyStream, type OperationServer } from "./operations.ts";
import { getPriceList, quote } from "./prices.ts";
import { answerOf } from "./rejection-error.ts";
import { statements } from "./statements.ts";
import { validate } from "./validate.ts";
import type { Watchers } from "./watch.ts";

/** What the RPCs need. */
export type Backend = OperationServer & {
  readonly orm: Orm;
  readonly watchers: Watchers;
  readonly answerMaxBytes: number;
};

/** The RPCs of PointsService: translate, submit, translate. */
export function pointsService(backend: Backend): ServiceImpl<typeof PointsService> {
  const { submit, orm, prices, watchers } = backend;
  const answerTo = async (command: Command, signal: AbortSignal): Promise<Answer> => {
    const [result] = await submit([command], signal);
    return answerOf(command, result!);
  };
  const run = (operation: SetOperation, { values, signal }: HandlerContext) =>
    answerTo(toCommand(operation, prices(), values.get(callerKey)), signal);
  const mutate = (operation: SetOperation, context: HandlerContext) =>
    run(operation, context).then(toMutationAnswer);

  return {
    async getOrCreate({ userId }, { signal }) {
      const { account, created } = await answerTo({ kind: "open", userId }, signal);
      return { account: toAccountMessage(account), created };
    },
    recharge: (value, context) => mutate({ case: "recharge", value }, context),
    consume: (value, context) => mutate({ case: "consume", value }, context),
    expire: (value, context) => mutate({ case: "expire", value }, context),
    freeze: (value, context) => run({ case: "freeze", value }, context).then(toFreezeAnswer),
    settle: (value, context) => mutate({ case: "settle", value }, context),
    release: (value, context) => mutate({ case: "release", value }, context),
    refund: (value, context) => mutate({ case: "refund", value }, context),
    quote: (request) => quote(prices(), orm, request),
    getPriceList: () => getPriceList(prices()),
    async applyBatch({ operations }, context) {
      return { results: await applyBatch(backend, operations, context) };
    },
    apply: (requests, context) => applyStream(backend, requests, context),
    ...statements(orm, backend.answerMaxBytes),
    async *watchAccount(request, { values, signal }) {
      const lease = values.get(leaseKey);
      try {
        validate(WatchAccountRequestSchema, request);
        lease.require((caller) => requireUser(caller, request.userId));
        for await (const account of watchers.watch(request.userId, signal)) {
          yield { account: toAccountMessage(account) };
        }
      } catch (thrown) {
        throw lease.out.aborted ? lease.out.reason : backend.toError(thrown);
      }
    },
  };
}
