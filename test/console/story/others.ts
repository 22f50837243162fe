import { Shortfall } from "../../../gen/points/v1/points_pb.ts";
import { CalendarUnit } from "../../../gen/points/v1/policy_pb.ts";
import type { Scene } from "./tell.ts";

const team = "team-lighthouse";
const MONTH = { case: "calendar", value: CalendarUnit.MONTH } as const;
const MEMBERS = ["mei", "tom", "王芳"];

/** An account that members share, with a limit for each of them. */
export const TEAM: readonly Scene[] = [
  recharge("-28 10:00", team, "contract-311", { points: 2_000n, days: 365, category: "paid" }),
  policy("-28 10:01", team, "each-member", {
    case: "limit",
    value: { points: 400n, window: { span: MONTH }, eachMember: true },
  }),
  policy("-28 10:02", team, "credit", { case: "creditLine", value: { points: 200n } }),
  ...Array.from({ length: 18 }, (_, job): Scene => {
    const member = MEMBERS[(job * 7) % 3]!;
    const seconds = BigInt(18 + ((job * 11) % 23));
    const service = job % 4 === 0 ? "video" : "tts";
    const when = `-${26 - job} ${10 + (job % 7)}:${15 + job}`;
    return used(when, team, { id: `team-job-${job + 1}`, service, seconds, member });
  }),
];

/** Somebody who owes: points that were spent, and then charged back. */
export const GRACE: readonly Scene[] = [
  recharge("-18 08:30", "grace", "order-6990", { points: 100n, days: 90, category: "paid" }),
  used("-17 09:00", "grace", { id: "g-1", service: "tts", seconds: 61n }),
  used("-17 09:20", "grace", { id: "g-2", service: "video", seconds: 15n }),
  {
    when: "-3 16:40",
    by: "billing",
    asks: (numberOf) => ({
      case: "revoke",
      value: {
        userId: "grace",
        requestId: "chargeback-6990",
        target: { case: "lot", value: numberOf("order-6990") },
        onShortfall: Shortfall.OWE,
        actor: "risk-desk",
        metadata: { order: "order-6990", reason: "stolen card" },
      },
    }),
  },
];

const NAMES = (
  "bo carla chen.xi dmitri elif fatima gao.lin hana ivo jun kofi li.na lin.mo maria noor olu " +
  "pavel qin.yu ravi sofia tan.wei uma vera wang.lei xia.yu yara zhang.min zoe ab-042 ab-043"
).split(" ");
const SERVICES = ["tts", "script", "video", "tts", "cover_design", "polish", "video", "title"];

/** Thirty others, so that there is something to overlook: each buys, some get gifts, all spend. */
export const OTHERS: readonly Scene[] = NAMES.flatMap((userId, at) => {
  const first = 40 - ((at * 13) % 35);
  const points = BigInt(200 + ((at * 170) % 900));
  const days = at % 5 === 0 ? 20 : 45 + ((at * 29) % 200);
  const pack = { points, days, category: "paid" };
  const scenes = [recharge(`-${first} 07:00`, userId, `order-${8000 + at}`, pack)];
  if (first > 20) {
    const more = { points: 300n, days: 120, category: "paid" };
    scenes.push(recharge(`-${first - 20} 07:00`, userId, `order-${8100 + at}`, more));
  }
  if (at % 3 === 0) {
    const gift = { points: 40n, days: 7 + (at % 9), category: "gift" };
    scenes.push(recharge(`-${first} 07:30`, userId, `gift-${userId}`, gift));
  }
  for (let day = first - 1; day > 0; day -= 1 + (at % 4)) {
    const service = SERVICES[(day + at) % SERVICES.length]!;
    const seconds = BigInt(5 + ((day * at) % 17));
    scenes.push(used(`-${day} 13:00`, userId, { id: `${userId}-${day}`, service, seconds }));
  }
  if (at % 10 === 4) scenes.push(revoked("-5 15:00", userId, 30n));
  return scenes;
});

function recharge(
  when: string,
  userId: string,
  requestId: string,
  { points, days, category }: { points: bigint; days: number; category: string },
): Scene {
  const expiration = { case: "ttl", value: { seconds: BigInt(days) * 86_400n } } as const;
  const metadata = category === "paid" ? { order: requestId } : { campaign: "autumn" };
  const value = { userId, requestId, points, category, expiration, metadata };
  const by = category === "paid" ? "billing" : "marketing";
  return { when, by, asks: { case: "recharge", value } };
}

function used(
  when: string,
  userId: string,
  {
    id: requestId,
    service,
    seconds,
    member = "",
  }: { id: string; service: string; seconds: bigint; member?: string },
): Scene {
  const isTimed = service === "tts" || service === "video";
  const amount = isTimed ? { amount: { case: "duration", value: { seconds } } as const } : {};
  const cost = { case: "usage", value: { service, ...amount } } as const;
  const value = { userId, requestId, cost, member };
  return { when, by: "studio", asks: { case: "consume", value } };
}

function revoked(when: string, userId: string, points: bigint): Scene {
  const target = { case: "points", value: points } as const;
  const why = { actor: "李雷", metadata: { reason: "重复发放，收回" } };
  const value = { userId, requestId: `double-${userId}`, target, onShortfall: Shortfall.TAKE };
  return { when, by: "support", asks: { case: "revoke", value: { ...value, ...why } } };
}

function policy(when: string, userId: string, name: string, rule: Rule): Scene {
  const value = { userId, requestId: `put-${name}`, policy: { name, rule } };
  return { when, by: "billing", asks: { case: "putPolicy", value } };
}

type PutPolicy = Extract<Extract<Scene["asks"], { case: unknown }>, { case: "putPolicy" }>;
type Rule = NonNullable<NonNullable<PutPolicy["value"]["policy"]>["rule"]>;
