import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { WatchAccountRequestSchema, type PointsService } from "../../gen/points/v1/points_pb.ts";
import { callerKey } from "../auth/caller.ts";
import { leaseKey } from "../auth/lease.ts";
import { requireUser } from "../auth/rules.ts";
import type { Answered } from "../commit/commit.ts";
import type { Command } from "../ledger/command.ts";
import type { Micros } from "../ledger/time.ts";
import type { Orm } from "../store/driver/orm.ts";
import type { Lagging } from "../store/reads/lagging.ts";
import {
  toAccountMessage,
  toExtendHoldAnswer,
  toFreezeAnswer,
  toMutationAnswer,
} from "./answers.ts";
import { applyBatch } from "./apply-batch.ts";
import { applyStream } from "./apply-stream.ts";
import { type SetOperation, toCommand } from "./commands.ts";
import { getAccount } from "./get-account.ts";
import { getForecast } from "./get-forecast.ts";
import { handOver } from "./hand-over.ts";
import type { OperationServer } from "./operation.ts";
import { getPriceList, quote } from "./prices.ts";
import { answerOf } from "./rejection-error.ts";
import { statements } from "./statements.ts";
import { validate } from "./validate.ts";
import type { Watchers } from "./watch.ts";

/** What the RPCs need of the server. */
export type Backend = OperationServer & {
  readonly orm: Orm;
  /** For the lists. */
  readonly laggingLists: Lagging;
  readonly watchers: Watchers;
  readonly answerMaxBytes: number;
  /** The time by which Quote and GetPriceList choose the price list. */
  readonly now: () => Micros | Promise<Micros>;
};

/**
 * The handlers of PointsService. A mutation is translated into a command, committed, and its answer
 * translated back. Interceptors have validated and authorized unary requests by then.
 */
export function pointsService(backend: Backend): ServiceImpl<typeof PointsService> {
  const { orm, now, prices, watchers } = backend;
  const { commit, run } = committing(backend);
  const mutate = async (operation: SetOperation, context: HandlerContext) =>
    toMutationAnswer(await run(operation, context));

  return {
    async getOrCreate({ userId }, { values, signal }) {
      const { name: caller } = values.get(callerKey);
      const { account, created, epoch } = await commit({ kind: "open", userId, caller }, signal);
      return { account: toAccountMessage(account), created, epoch };
    },
    getAccount: (request, { signal }) => getAccount(orm, request, signal),
    getForecast: (request, { signal }) => getForecast(orm, request, signal),
    recharge: (value, context) => mutate({ case: "recharge", value }, context),
    consume: (value, context) => mutate({ case: "consume", value }, context),
    expire: (value, context) => mutate({ case: "expire", value }, context),
    revoke: (value, context) => mutate({ case: "revoke", value }, context),
    async freeze(value, context) {
      return toFreezeAnswer(await run({ case: "freeze", value }, context));
    },
    async extendHold(value, context) {
      return toExtendHoldAnswer(await run({ case: "extendHold", value }, context));
    },
    settle: (value, context) => mutate({ case: "settle", value }, context),
    release: (value, context) => mutate({ case: "release", value }, context),
    refund: (value, context) => mutate({ case: "refund", value }, context),
    quote: async (request) => quote({ lists: prices().lists, now: await now(), orm }, request),
    getPriceList: async () => getPriceList(prices(), await now()),
    async applyBatch({ operations }, context) {
      return { results: await applyBatch(backend, operations, context) };
    },
    apply: (requests, context) => applyStream(backend, requests, context),
    ...statements(backend),
    async *watchAccount(request, { values, signal }) {
      const lease = values.get(leaseKey);
      try {
        validate(WatchAccountRequestSchema, request);
        lease.require((caller) => requireUser(caller, request.userId));
        for await (const account of watchers.watch(request.userId, signal)) {
          yield* handOver({ account: toAccountMessage(account) });
        }
      } catch (thrown) {
        throw lease.out.aborted ? lease.out.reason : backend.toError(thrown);
      }
    },
  };
}

/** Functions that commit a command, or the operation of a call, and wait for its answer. */
export function committing(backend: OperationServer) {
  const commit = async (command: Command, signal: AbortSignal): Promise<Answered> => {
    const [result] = await backend.submit([command], signal);
    return answerOf(command, result!);
  };
  const run = (operation: SetOperation, { values, signal }: HandlerContext): Promise<Answered> =>
    commit(toCommand(operation, backend, values.get(callerKey)), signal);
  return { commit, run };
}
