import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type OperationSchema, PointsService, Shortfall } from "../gen/points/v1/points_pb.ts";

/** What a step does with an account. */
type Operation = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

/** An account: its number, and the entries that it made, by step. */
type Life = { readonly userId: string; readonly number: number; readonly entries: bigint[] };

const points = (value: bigint) => ({ case: "points", value }) as const;
const fixed = (service: string) => ({ case: "usage", value: { service } }) as const;
const lasting = (service: string, seconds: bigint) => {
  const amount = { case: "duration", value: { seconds } } as const;
  return { case: "usage", value: { service, amount } } as const;
};
const ttl = (days: bigint) => ({ case: "ttl", value: { seconds: days * 86_400n } }) as const;
/** Steps whose entries later ones name. */
const USE = 2;
const FREEZE = 4;

/**
 * The operations of each account, a step after the other: points that are bought, and a gift that
 * expires; uses of services, a hold, a refund. A tenth of the accounts is charged back more than it has,
 * and owes it until the next recharge, half of it set aside by a hold.
 */
const OPERATIONS: readonly ((life: Life) => Operation)[] = [
  ({ userId }) => ({ case: "recharge", value: { userId, points: 1_000n, category: "paid" } }),
  ({ userId }) => ({
    case: "recharge",
    value: { userId, points: 50n, category: "gift", expiration: ttl(20n) },
  }),
  ({ userId, number }) => ({
    case: "consume",
    value: { userId, cost: lasting("tts", BigInt(number % 60) + 1n) },
  }),
  ({ userId }) => ({ case: "consume", value: { userId, cost: fixed("script") } }),
  ({ userId }) => ({
    case: "freeze",
    value: { userId, cost: lasting("video", 60n), expiration: ttl(29n) },
  }),
  ({ userId, number, entries }) =>
    number % 10 === 0
      ? {
          case: "revoke",
          value: { userId, target: points(2_000n), onShortfall: Shortfall.OWE },
        }
      : { case: "settle", value: { userId, hold: entries[FREEZE]!, cost: lasting("video", 30n) } },
  ({ userId, number, entries }) =>
    number % 10 === 0
      ? { case: "release", value: { userId, hold: entries[FREEZE]! } }
      : { case: "refund", value: { userId, sequence: entries[USE]!, points: 1n } },
  ({ userId }) => ({ case: "recharge", value: { userId, points: 2_000n, category: "paid" } }),
  ({ userId }) => ({ case: "consume", value: { userId, cost: fixed("compose") } }),
  ({ userId, number }) => ({
    case: "consume",
    value: { userId, cost: points(BigInt(number % 40) + 1n) },
  }),
];

export const STEPS = OPERATIONS.length;

const BATCH_OPS = 1_000;
const BATCHES_AT_ONCE = 4;
const TIMEOUT_MS = 60_000;

/** Makes accounts, and lets time pass after each step. */
export async function liveMonths(
  url: string,
  accounts: number,
  letTimePass: () => Promise<void>,
): Promise<void> {
  const client = createClient(PointsService, createGrpcTransport({ baseUrl: url }));
  const lives = Array.from({ length: accounts }, (_, number): Life => {
    return { userId: `user-${number}`, number, entries: [] };
  });
  for (const [step, operation] of OPERATIONS.entries()) {
    let next = 0;
    const work = async () => {
      while (next < accounts) {
        const batch = lives.slice(next, (next += BATCH_OPS));
        await send(client, batch, (life) => withRequest(operation(life), `${life.userId}/${step}`));
      }
    };
    await Promise.all(Array.from({ length: BATCHES_AT_ONCE }, work));
    await letTimePass();
  }
}

function withRequest({ case: name, value }: Operation, requestId: string): Operation {
  const metadata = { order: requestId };
  return { case: name, value: { ...value, requestId, metadata } } as Operation;
}

async function send(
  client: Client<typeof PointsService>,
  lives: readonly Life[],
  made: (life: Life) => Operation,
): Promise<void> {
  const operations = lives.map((life) => ({ operation: made(life) }));
  const { results } = await client.applyBatch({ operations }, { timeoutMs: TIMEOUT_MS });
  for (const [at, { result }] of results.entries()) {
    if (result.case === undefined || result.case === "error") {
      throw new Error(`${lives[at]!.userId}: ${JSON.stringify(result.value?.message)}`);
    }
    lives[at]!.entries.push(result.value.entry?.sequence ?? 0n);
  }
}
