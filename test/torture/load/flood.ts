import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OperationSchema } from "../../../gen/points/v1/points_pb.ts";
import type { Random } from "../../support/random.ts";
import type { Clock } from "../deployment/clock.ts";
import type { SetOperation } from "../oracle/decide.ts";
import { timestampOf } from "../oracle/time.ts";
import type { Asked } from "./history.ts";
import { type Account, BOUNDARY_MICROS, nextAsked } from "./operations.ts";
import type { Round } from "./rounds.ts";

/** A thundering herd: one account with thousands of lots and holds that fall due together. */
export type Flood = {
  readonly userId: string;
  /** When they fall due: microseconds since 1970. */
  readonly instants: readonly bigint[];
  /** Sends many more operations at once: they must wait, in order, until due work is booked. */
  press(): void;
  /** How many lots and holds the account has got so far. */
  made(): number;
  /** Lets the round end. */
  end(): void;
};

export type FloodOptions = {
  readonly random: Random;
  readonly clock: Clock;
  readonly round: Round;
  readonly account: Account;
  /** Names a new operation. */
  readonly nextTag: () => string;
  /** The maximum of lots; the maximum of holds is the same or, rarely, four times that. */
  readonly mostLots: number;
  /** The throughput to expect: operations a second. */
  readonly perSecond: number;
};

type Init = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

const INSTANTS = 3;
const INSTANTS_APART = 4n * BOUNDARY_MICROS;
const HEAD_START_MICROS = 1_500_000n;
// A slow machine gets fewer lots: a flood must not take much longer than a round.
const SENDING_MAX_SECONDS = 8;
const MANY_HOLDS_CHANCE = 0.1;
const PRESSING_OPS = 400;

/**
 * Queues lots, then holds on them, which all end at the same few instants in the next seconds. The
 * round stays open until the flood ends.
 */
export function startFlood(options: FloodOptions): Flood {
  const { random, clock, round, account, nextTag, mostLots, perSecond } = options;
  const most = Math.min(mostLots, Math.floor((perSecond * SENDING_MAX_SECONDS) / 2));
  const lots = random.whole(most >> 1, most);
  const holds = random.whole(most >> 1, most) * (random.chance(MANY_HOLDS_CHANCE) ? 4 : 1);
  const sendingMicros = BigInt(Math.ceil(((lots + holds) * 1_000_000) / perSecond));
  const begin = clock.now() + HEAD_START_MICROS + sendingMicros;
  const first = (begin / BOUNDARY_MICROS) * BOUNDARY_MICROS;
  const instants = Array.from({ length: INSTANTS }, (_, at) => first + BigInt(at) * INSTANTS_APART);
  const end = () => ({ case: "expireTime", value: timestampOf(random.pick(instants)) }) as const;

  const recharge = (): Init => {
    const [points, priority] = [BigInt(random.whole(1, 60)), random.whole(0, 3)];
    return { case: "recharge", value: { points, priority, expiration: end() } };
  };
  const freeze = (): Init => {
    const cost = { case: "points", value: BigInt(random.whole(1, 3)) } as const;
    return { case: "freeze", value: { cost, expiration: end() } };
  };
  const ask = (init: Init): Asked => {
    const tag = nextTag();
    const named = random.chance(0.9) ? { requestId: tag } : { metadata: { tag } };
    const asked = { tag, operation: operationOf(init, account, named), attempts: [] };
    account.history.asked.push(asked);
    return asked;
  };
  const add = (asked: readonly Asked[]) =>
    round.flood.push(...asked.map((one) => ({ round, account, asked: one })));

  const all = [...times(lots, recharge), ...times(holds, freeze)].map(ask);
  add(all);
  round.underWay += 1;
  return {
    userId: account.history.userId,
    instants,
    press: () =>
      void add(times(PRESSING_OPS, () => nextAsked(random, account, nextTag(), clock.now()))),
    made: () => all.filter(isApplied).length,
    end: () => void (round.underWay -= 1),
  };
}

function operationOf(
  { case: kind, value }: Init,
  { history: { userId } }: Account,
  named: { requestId: string } | { metadata: Record<string, string> },
): SetOperation {
  const operation = { case: kind, value: { ...value, userId, ...named } } as Init;
  return create(OperationSchema, { operation }).operation as SetOperation;
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}

function isApplied({ attempts }: Asked): boolean {
  return attempts.some(({ outcome }) => outcome?.kind === "applied");
}
