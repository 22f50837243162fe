import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { OperationSchema } from "../../gen/points/v1/points_pb.ts";
import type { SetOperation } from "./decide.ts";
import type { Asked } from "./history.ts";
import { type Account, BOUNDARY_MICROS } from "./operations.ts";
import type { Random } from "../support/random.ts";
import { timestampOf } from "./time.ts";

/** Operations of one account, and the few instants at which all that they make falls due. */
export type Flood = { readonly asked: readonly Asked[]; readonly instants: readonly bigint[] };

type Init = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

const INSTANTS = 3;
const INSTANTS_APART = 4n * BOUNDARY_MICROS;
const HEAD_START_MICROS = 1_500_000n;
// A slow machine gets fewer: what falls due is not to be waited for much longer than a round is.
const SENDING_MAX_SECONDS = 8;
// Few enough that lots, and not only holds, reach what an account may have at the most.
const MANY_HOLDS_CHANCE = 0.1;

type FloodOptions = {
  readonly nextTag: () => string;
  readonly mostLots: number;
  readonly perSecond: number;
  readonly now: bigint;
};

/**
 * Asks for lots, and then for holds on them, that all end at the same few instants of the next
 * seconds: about as many of each as an account may have.
 *
 * @param mostLots up to so many lots; and as many holds, or, rarely, four times as many
 * @param perSecond about how many operations are done
 * @param now about what the database's clock says
 */
export function floodOf(
  random: Random,
  account: Account,
  { nextTag, mostLots, perSecond, now }: FloodOptions,
): Flood {
  const most = Math.min(mostLots, Math.floor((perSecond * SENDING_MAX_SECONDS) / 2));
  const lots = random.whole(most >> 1, most);
  const holds = random.whole(most >> 1, most) * (random.chance(MANY_HOLDS_CHANCE) ? 4 : 1);
  const sendingMicros = BigInt(Math.ceil(((lots + holds) * 1_000_000) / perSecond));
  const first = ((now + HEAD_START_MICROS + sendingMicros) / BOUNDARY_MICROS) * BOUNDARY_MICROS;
  const instants = Array.from({ length: INSTANTS }, (_, at) => first + BigInt(at) * INSTANTS_APART);
  const { userId } = account.history;
  const end = () => ({ case: "expireTime", value: timestampOf(random.pick(instants)) }) as const;

  function ask({ case: kind, value }: Init): Asked {
    const tag = nextTag();
    const named = random.chance(0.9) ? { requestId: tag } : { metadata: { tag } };
    const operation = { case: kind, value: { ...value, userId, ...named } } as Init;
    const made = create(OperationSchema, { operation }).operation as SetOperation;
    const asked: Asked = { tag, operation: made, attempts: [] };
    account.history.asked.push(asked);
    return asked;
  }

  const recharge = () => {
    const [points, priority] = [BigInt(random.whole(1, 60)), random.whole(0, 3)];
    return ask({ case: "recharge", value: { points, priority, expiration: end() } });
  };
  const freeze = () => {
    const cost = { case: "points", value: BigInt(random.whole(1, 3)) } as const;
    return ask({ case: "freeze", value: { cost, expiration: end() } });
  };
  const asked = [
    ...Array.from({ length: lots }, recharge),
    ...Array.from({ length: holds }, freeze),
  ];
  return { asked, instants };
}
