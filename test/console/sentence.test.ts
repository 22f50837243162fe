import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { actsOf } from "../../console/entry/acts-of.ts";
import { plain } from "../../console/parts/sentence/phrase.ts";
import { rulePhrase } from "../../console/parts/sentence/policy-phrase.ts";
import { SENTENCE_WORDS } from "../../console/parts/sentence/sentence-words.ts";
import { followersOf } from "../../console/entry/followers.ts";
import { instantOf } from "../../console/parts/right-after.ts";
import { sentenceOf } from "../../console/entry/sentence.ts";
import type { KnownEntry } from "../../console/entry/known-entry.ts";
import {
  type Entry,
  EntryKind,
  EntryKindSchema,
  EntrySchema,
  HoldSchema,
} from "../../gen/points/v1/account_pb.ts";
import { PricedUsageSchema } from "../../gen/points/v1/prices_pb.ts";
import {
  type AllowanceSchema,
  CalendarUnit,
  type LimitSchema,
  PolicySchema,
} from "../../gen/points/v1/policy_pb.ts";

type Init = MessageInitShape<typeof EntrySchema>;
type Case = {
  readonly of: string;
  readonly entry: Init;
  readonly others?: readonly Entry[];
  readonly fate?: Partial<
    Pick<
      KnownEntry,
      | "refunded"
      | "revoked"
      | "claimed"
      | "referring"
      | "extended"
      | "openHold"
      | "followed"
      | "lot"
    >
  >;
  readonly en: string;
  readonly zh: string;
};

const at = (time: string) => timestampFromDate(new Date(`2026-${time}:00Z`));
const entryOf = (init: Init) =>
  create(EntrySchema, { userId: "ada", createTime: at("11-29T10:00"), ...init });

const LOT = entryOf({
  sequence: 1n,
  kind: EntryKind.RECHARGE,
  points: 300n,
  createTime: at("11-28T09:00"),
  expireTime: at("12-28T09:00"),
});
const GIFT = entryOf({
  sequence: 2n,
  kind: EntryKind.RECHARGE,
  points: 50n,
  category: "gift",
  createTime: at("11-01T09:00"),
  expireTime: at("11-29T10:00"),
});
const MONTHLY = entryOf({ sequence: 3n, kind: EntryKind.RECHARGE, points: 9n, cause: "monthly" });
const HOLD = entryOf({
  sequence: 7n,
  kind: EntryKind.FREEZE,
  points: 24n,
  expireTime: at("11-29T22:00"),
  allocations: [{ lot: 1n, points: 24n }],
});

const seconds = (n: bigint) => ({ seconds: n, nanos: 0 });
const tts = create(PricedUsageSchema, {
  service: "tts",
  priceVersion: "2026-11-23",
  amount: { case: "duration", value: seconds(37n) },
  calculation: {
    meters: [{ of: "duration", amount: 37n, points: 1n, per: 1n, unit: seconds(1n) }],
  },
});
const ofLot = (points: bigint, lot = 1n) => ({ points, allocations: [{ lot, points }] });
const asked = { caller: "billing", actor: "Li" };
/** What every sentence about lot 1 ends with. */
const FROM_1 = "lot #1, recharged on 11-28, expires on 12-28";
const ZH_1 = "批次 #1（11-28 充值，12-28 过期）";

const CASES: readonly Case[] = [
  {
    of: "a lot of which little is left",
    entry: { kind: EntryKind.RECHARGE, points: 200n },
    fate: { lot: { remaining: 50n, frozen: 6n } },
    en: "200 points recharged, never expires; 50 left; 6 set aside by holds; 144 used or expired.",
    zh: "充值 200 积分，永不过期；剩余 50；预扣中 6；已用或已过期 144。",
  },
  {
    of: "a lot that was spent before its time and then revoked",
    entry: { kind: EntryKind.RECHARGE, points: 200n, expireTime: at("11-29T10:00") },
    fate: { lot: { remaining: 0n, frozen: 0n }, revoked: 200n, claimed: 102n },
    en: "200 points recharged, was to expire on 11-29; nothing of it left; 200 used, expired or revoked; 98 revoked since; 102 still claimed.",
    zh: "充值 200 积分，原定 11-29 过期；已无剩余；已用、已过期或已收回 200；之后收回 98；102 待追回。",
  },
  {
    of: "a lot that nobody has touched",
    entry: { kind: EntryKind.RECHARGE, points: 200n },
    fate: { lot: { remaining: 200n, frozen: 0n } },
    en: "200 points recharged, never expires; 200 left.",
    zh: "充值 200 积分，永不过期；剩余 200。",
  },
  {
    of: "a recharge by an order",
    entry: {
      kind: EntryKind.RECHARGE,
      points: 300n,
      requestId: "order-7001",
      category: "paid",
      services: ["tts", "video"],
      repaid: 20n,
      ...asked,
    },
    fate: { revoked: 100n, claimed: 30n },
    en: "300 points recharged, by request order-7001, of category paid, for tts, video alone, never expires, asked by billing for Li; 20 of them repaid debt; 70 revoked since; 30 still claimed.",
    zh: "充值 300 积分，请求 ID 为 order-7001，类别 paid，仅限服务 tts, video，永不过期，由 billing 代 Li 发起；其中 20 偿还欠费；之后收回 70；30 待追回。",
  },
  {
    of: "an allowance",
    entry: {
      kind: EntryKind.RECHARGE,
      points: 1n,
      cause: "monthly",
      expireTime: at("11-29T09:00"),
    },
    en: "1 point given by the allowance monthly, was to expire on 11-29; nothing revoked.",
    zh: "按规则 monthly 定期发放 1 积分，原定 11-29 过期；未收回。",
  },
  {
    of: "an allowance that wholly repaid debt",
    entry: {
      kind: EntryKind.RECHARGE,
      points: 7n,
      cause: "monthly",
      expireTime: at("11-29T09:00"),
      repaid: 7n,
    },
    fate: { lot: { remaining: 0n, frozen: 0n } },
    en: "7 points given by the allowance monthly; 7 of them repaid debt; nothing of it left.",
    zh: "按规则 monthly 定期发放 7 积分；其中 7 偿还欠费；已无剩余。",
  },
  {
    of: "a use with a price by time",
    entry: { kind: EntryKind.CONSUME, ...ofLot(37n), usage: tts, ...asked },
    others: [LOT],
    en: `37 points for tts, 37 s at 1 a second by list 2026-11-23, asked by billing for Li, from ${FROM_1}; nothing refunded.`,
    zh: `消费 37 积分，用于 tts：37 秒，每秒 1，按价目表 2026-11-23，由 billing 代 Li 发起，取自${ZH_1}；未退款。`,
  },
  {
    of: "points that the caller named, some of them owed",
    entry: {
      kind: EntryKind.CONSUME,
      points: 70n,
      allocations: [1n, 2n, 3n, 4n].map((lot) => ({ lot, points: lot * 6n })),
      owed: 10n,
      uncovered: 5n,
      alerts: ["low"],
      member: "Wang",
      caller: "app",
    },
    others: [LOT, GIFT, MONTHLY],
    fate: { refunded: 70n },
    en: "70 points spent, for member Wang, asked by app, from lot #1 (6; recharged on 11-28, expires on 12-28), lot #2 (12; recharged on 11-01 as gift, was to expire on 11-29), lot #3 (18; given by monthly on 11-29, never expires), 1 more lot; 10 of them owed, since they were not there; 5 more were not there, and were not charged; the alert low went off; all refunded.",
    zh: "消费 70 积分，成员 Wang，由 app 发起，取自批次 #1（6；11-28 充值，12-28 过期），批次 #2（12；11-01 充值，类别 gift，原定 11-29 过期），批次 #3（18；11-29 由规则 monthly 发放，永不过期），另外 1 个批次；其中 10 因不足记为欠费；另有 5 未扣足；触发提醒 low；已全部退款。",
  },
  {
    of: "a price of several parts",
    entry: {
      kind: EntryKind.CONSUME,
      ...ofLot(96n),
      usage: {
        service: "chat",
        priceVersion: "v2",
        amount: { case: "duration", value: { seconds: 36n, nanos: 400_000_000 } },
        calculation: {
          fixed: 2n,
          meters: [
            { of: "input_tokens", amount: 1_200n, points: 3n, per: 1_000n },
            { of: "images", amount: 4n, points: 5n, per: 1n },
            { of: "duration", amount: 2n, points: 7n, per: 1n, unit: seconds(30n) },
          ],
          factor: "4/5",
          when: { plan: "vip" },
          minimum: 96n,
        },
      },
    },
    others: [LOT],
    fate: { refunded: 6n },
    en: `96 points for chat, 2 fixed + 1200 input_tokens at 3 per 1000 + 4 images at 5 each + 36.4 s, counted as 2 × 30 s, at 7 each, times 4/5, the price for plan vip, raised to the minimum of 96 by list v2, from ${FROM_1}; 6 refunded.`,
    zh: `消费 96 积分，用于 chat：固定 2 + input_tokens 1200，每 1000 计 3 + images 4，单价 5 + 36.4 秒，按 2 个 30 秒计，单价 7，乘以 4/5，按 plan vip 的价格，按最低价 96，按价目表 v2，取自${ZH_1}；已退款 6。`,
  },
  {
    of: "something free",
    entry: { kind: EntryKind.CONSUME, usage: { service: "caption", priceVersion: "v1" } },
    en: "0 points for caption, free by list v1.",
    zh: "消费 0 积分，用于 caption：免费，按价目表 v1。",
  },
  {
    of: "an expiry by itself",
    entry: { kind: EntryKind.EXPIRE, ...ofLot(80n, 2n) },
    others: [GIFT],
    en: "80 points expired at their time, from lot #2, recharged on 11-01 as gift, was to expire on 11-29.",
    zh: "80 积分到期，自动过期，取自批次 #2（11-01 充值，类别 gift，原定 11-29 过期）。",
  },
  {
    of: "an expiry that nobody is named for, of a lot that never expires",
    entry: { kind: EntryKind.EXPIRE, ...ofLot(10n, 3n) },
    others: [MONTHLY],
    en: "10 points taken as expired, from lot #3, given by monthly on 11-29, never expires.",
    zh: "10 积分被手动设为过期，取自批次 #3（11-29 由规则 monthly 发放，永不过期）。",
  },
  {
    of: "an expiry of which nothing is known",
    entry: { kind: EntryKind.EXPIRE, ...ofLot(10n) },
    en: "10 points expired, from lot #1.",
    zh: "10 积分过期，取自批次 #1。",
  },
  {
    of: "an expiry by an operator",
    entry: { kind: EntryKind.EXPIRE, ...ofLot(80n), caller: "console", actor: "Mei" },
    others: [LOT],
    en: `80 points taken as expired, asked by console for Mei, from ${FROM_1}.`,
    zh: `80 积分被手动设为过期，由 console 代 Mei 发起，取自${ZH_1}。`,
  },
  {
    of: "a hold that is open",
    entry: { ...HOLD, usage: tts, member: "Li" },
    others: [LOT],
    fate: { openHold: create(HoldSchema, { expireTime: at("11-29T22:00") }) },
    en: `24 points set aside for tts, 37 s at 1 a second by list 2026-11-23, for member Li, until 11-29 22:00, from ${FROM_1}; still open.`,
    zh: `预扣 24 积分，用于 tts：37 秒，每秒 1，按价目表 2026-11-23，成员 Li，有效期至 11-29 22:00，取自${ZH_1}；尚未结算。`,
  },
  {
    of: "a hold that is open for longer than at first",
    entry: HOLD,
    fate: { openHold: create(HoldSchema, { expireTime: at("12-04T22:00") }) },
    en: "24 points set aside, until 11-29 22:00, from lot #1; still open, by now until 12-04 22:00.",
    zh: "预扣 24 积分，有效期至 11-29 22:00，取自批次 #1；尚未结算，已延长至 12-04 22:00。",
  },
  {
    of: "a hold that is not among the open ones",
    entry: HOLD,
    fate: { openHold: null },
    en: "24 points set aside, until 11-29 22:00, from lot #1; no longer open.",
    zh: "预扣 24 积分，有效期至 11-29 22:00，取自批次 #1；已不再有效。",
  },
  {
    of: "a hold of which it is not known whether it is open",
    entry: HOLD,
    en: "24 points set aside, until 11-29 22:00, from lot #1.",
    zh: "预扣 24 积分，有效期至 11-29 22:00，取自批次 #1。",
  },
  {
    of: "a hold that was settled",
    entry: HOLD,
    fate: { referring: [entryOf({ sequence: 9n, kind: EntryKind.SETTLE, refersTo: 7n })] },
    en: "24 points set aside, until 11-29 22:00, from lot #1; settled by #9.",
    zh: "预扣 24 积分，有效期至 11-29 22:00，取自批次 #1；由 #9 结算。",
  },
  {
    of: "a hold that was given back after a part was settled",
    entry: HOLD,
    fate: {
      referring: [
        entryOf({ sequence: 9n, kind: EntryKind.RELEASE, refersTo: 7n }),
        entryOf({ sequence: 8n, kind: EntryKind.SETTLE, refersTo: 7n, keptOpen: true }),
      ],
    },
    en: "24 points set aside, until 11-29 22:00, from lot #1; given back by #9.",
    zh: "预扣 24 积分，有效期至 11-29 22:00，取自批次 #1；由 #9 退回。",
  },
  {
    of: "more for a hold",
    entry: { kind: EntryKind.EXTEND, refersTo: 7n, ...ofLot(10n), expireTime: at("11-30T01:00") },
    en: "10 points more set aside for hold #7, until 11-30 01:00, from lot #1.",
    zh: "为预扣单 #7 追加预扣 10 积分，有效期至 11-30 01:00，取自批次 #1。",
  },
  {
    of: "more time for a hold",
    entry: { kind: EntryKind.EXTEND, refersTo: 7n, expireTime: at("11-30T01:00") },
    en: "More time for hold #7, until 11-30 01:00.",
    zh: "延长预扣单 #7 的时间，有效期至 11-30 01:00。",
  },
  {
    of: "a settlement that kept the hold open",
    entry: { kind: EntryKind.SETTLE, refersTo: 7n, ...ofLot(20n), keptOpen: true, caller: "app" },
    others: [LOT, HOLD],
    en: `20 points spent of hold #7, asked by app, from ${FROM_1}; the hold stays open; nothing refunded.`,
    zh: `从预扣单 #7 结算 20 积分，由 app 发起，取自${ZH_1}；预扣单未关闭；未退款。`,
  },
  {
    of: "a settlement beyond its hold",
    entry: {
      kind: EntryKind.SETTLE,
      refersTo: 7n,
      ...ofLot(30n),
      usage: tts,
      fromBalance: 4n,
      owed: 2n,
      uncovered: 1n,
      returned: 3n,
    },
    en: "30 points of hold #7 for tts, 37 s at 1 a second by list 2026-11-23, from lot #1; 4 of them beyond the hold, from the balance; 2 of them owed, since they were not there; 1 more was not there, and was not charged; 3 went back; nothing refunded.",
    zh: "从预扣单 #7 结算 30 积分，用于 tts：37 秒，每秒 1，按价目表 2026-11-23，取自批次 #1；其中 4 超出预扣，取自余额；其中 2 因不足记为欠费；另有 1 未扣足；退回 3；未退款。",
  },
  {
    of: "a release by a caller",
    entry: { kind: EntryKind.RELEASE, refersTo: 7n, ...ofLot(24n), caller: "app" },
    others: [LOT, HOLD],
    en: `24 points of hold #7 went back, asked by app, to ${FROM_1}.`,
    zh: `退回预扣单 #7 的 24 积分，由 app 发起，回到${ZH_1}。`,
  },
  {
    of: "a release at the hold's time",
    entry: { kind: EntryKind.RELEASE, refersTo: 7n, ...ofLot(24n), createTime: at("11-29T22:00") },
    others: [HOLD],
    en: "24 points of hold #7 went back, because its time had come, to lot #1.",
    zh: "预扣单 #7 到期，自动退回 24 积分，回到批次 #1。",
  },
  {
    of: "a release by nobody named, before the time to which the hold was extended",
    entry: { kind: EntryKind.RELEASE, refersTo: 7n, ...ofLot(24n), createTime: at("11-29T22:10") },
    others: [HOLD],
    fate: { extended: at("11-29T23:00") },
    en: "24 points of hold #7 went back, to lot #1.",
    zh: "退回预扣单 #7 的 24 积分，回到批次 #1。",
  },
  {
    of: "a release at the time to which the hold was extended",
    entry: { kind: EntryKind.RELEASE, refersTo: 7n, ...ofLot(24n), createTime: at("11-29T23:00") },
    others: [HOLD],
    fate: { extended: at("11-29T23:00") },
    en: "24 points of hold #7 went back, because its time had come, to lot #1.",
    zh: "预扣单 #7 到期，自动退回 24 积分，回到批次 #1。",
  },
  {
    of: "a refund to a lot that had expired, all of which a claim took",
    entry: { kind: EntryKind.REFUND, refersTo: 9n, ...ofLot(50n, 2n) },
    others: [GIFT],
    fate: {
      followed: [entryOf({ kind: EntryKind.REVOKE, fromClaim: true, ...ofLot(50n, 2n) })],
    },
    en: "50 points of #9 given back, to lot #2, recharged on 11-01 as gift, was to expire on 11-29; 50 of them taken at once by an earlier revocation of their lot.",
    zh: "退还 #9 的 50 积分，回到批次 #2（11-01 充值，类别 gift，原定 11-29 过期）；其中 50 由先前对该批次的收回立即扣除。",
  },
  {
    of: "a refund to a lot that had expired, of which it is not known what followed",
    entry: { kind: EntryKind.REFUND, refersTo: 9n, ...ofLot(50n, 2n) },
    en: "50 points of #9 given back, to lot #2.",
    zh: "退还 #9 的 50 积分，回到批次 #2。",
  },
  {
    of: "a refund that lowered the debt, made a new lot, and met a lot that had expired",
    entry: {
      sequence: 12n,
      kind: EntryKind.REFUND,
      refersTo: 9n,
      points: 40n,
      allocations: [
        { lot: 2n, points: 10n },
        { lot: 12n, points: 25n },
      ],
      repaid: 5n,
      uncovered: 3n,
      category: "gift",
      expireTime: at("12-09T10:00"),
    },
    others: [GIFT],
    fate: { followed: [entryOf({ kind: EntryKind.EXPIRE, ...ofLot(10n, 2n) })] },
    en: "40 points of #9 given back, to lot #2, recharged on 11-01 as gift, was to expire on 11-29; 3 are no longer claimed; 5 of them lowered the debt; 25 of them as a new lot, of category gift, expires on 12-09; 10 of them expired at once, since their lot had expired.",
    zh: "退还 #9 的 40 积分，回到批次 #2（11-01 充值，类别 gift，原定 11-29 过期）；3 不再待追回；其中 5 冲减欠费；其中 25 成为新批次，类别 gift，12-09 过期；其中 10 因批次已过期而立即过期。",
  },
  {
    of: "a revocation of a lot that had been spent in part",
    entry: { kind: EntryKind.REVOKE, refersTo: 1n, ...ofLot(70n), uncovered: 30n, owed: 0n },
    others: [LOT],
    fate: { refunded: 100n },
    en: "70 points of lot #1 taken away; 30 more were not there and are claimed: whatever comes back to the lot is taken for them; all refunded.",
    zh: "从批次 #1 收回 70 积分；另有 30 待追回：积分回到该批次时先用于追回；已全部退款。",
  },
  {
    of: "a revocation of a lot that lacked one point",
    entry: { kind: EntryKind.REVOKE, refersTo: 1n, ...ofLot(7n), uncovered: 1n },
    en: "7 points of lot #1 taken away; 1 more was not there and is claimed: whatever comes back to the lot is taken for it; nothing refunded.",
    zh: "从批次 #1 收回 7 积分；另有 1 待追回：积分回到该批次时先用于追回；未退款。",
  },
  {
    of: "a revocation for a lot, of others' points and of points that nobody had",
    entry: {
      kind: EntryKind.REVOKE,
      refersTo: 7n,
      points: 32n,
      owed: 20n,
      allocations: ofLot(12n).allocations,
    },
    en: "32 points taken away for lot #7, from lot #1; 20 of them owed, since they were not there; nothing refunded.",
    zh: "因批次 #7 收回 32 积分，取自批次 #1；其中 20 因不足记为欠费；未退款。",
  },
  {
    of: "a revocation of points",
    entry: { kind: EntryKind.REVOKE, ...ofLot(7n), uncovered: 3n },
    en: "7 points taken away, from lot #1; 3 more were not there, and were left; nothing refunded.",
    zh: "收回 7 积分，取自批次 #1；另有 3 未扣足；未退款。",
  },
  {
    of: "points that a claim took",
    entry: { kind: EntryKind.REVOKE, refersTo: 1n, ...ofLot(5n), fromClaim: true },
    en: "5 points that came back to lot #1 taken by an earlier revocation.",
    zh: "5 积分回到批次 #1 后，由先前的收回扣除。",
  },
  {
    of: "an allowance that was set",
    entry: {
      kind: EntryKind.SET_POLICY,
      caller: "billing",
      policy: {
        name: "monthly",
        rule: {
          case: "allowance",
          value: {
            points: 100n,
            every: { count: 2, unit: CalendarUnit.WEEK },
            startTime: at("12-01T00:00"),
            endTime: at("12-31T00:00"),
            timeZone: "Asia/Shanghai",
            expiration: { case: "periods", value: 3 },
            services: ["tts"],
            category: "paid",
            priority: 900,
          },
        },
      },
    },
    en: "Policy monthly set: 100 points every 2 weeks from 12-01 00:00, by the clock of Asia/Shanghai, until 12-31 00:00, each living 3 periods, of category paid, for tts alone, with priority 900, asked by billing.",
    zh: "设置规则 monthly：自 12-01 00:00 起，每 2 周发放 100 积分，时区 Asia/Shanghai，至 12-31 00:00 止，每次有效 3 个周期，类别 paid，仅限服务 tts，优先级 900，由 billing 发起。",
  },
  {
    of: "a limit that was set",
    entry: {
      kind: EntryKind.SET_POLICY,
      policy: {
        name: "cap",
        rule: {
          case: "limit",
          value: {
            points: 1n,
            window: { span: { case: "calendar", value: CalendarUnit.MONTH } },
            eachMember: true,
            service: "tts",
          },
        },
      },
    },
    en: "Policy cap set: at most 1 point a month, by each member, on tts.",
    zh: "设置规则 cap：每个月最多 1 积分，按每个成员计，仅计服务 tts。",
  },
  {
    of: "an alert that was set",
    entry: {
      kind: EntryKind.SET_POLICY,
      policy: { name: "low", rule: { case: "alert", value: { below: -5n } } },
    },
    en: "Policy low set: alert below -5.",
    zh: "设置规则 low：低于 -5 时提醒。",
  },
  {
    of: "a credit line that was set",
    entry: {
      kind: EntryKind.SET_POLICY,
      policy: { name: "credit", rule: { case: "creditLine", value: { points: 50n } } },
    },
    en: "Policy credit set: may owe 50 points.",
    zh: "设置规则 credit：最多可欠 50 积分。",
  },
  {
    of: "a policy that ended",
    entry: { kind: EntryKind.SET_POLICY, policy: { name: "cap" }, caller: "billing" },
    en: "Policy cap ended, asked by billing.",
    zh: "终止规则 cap，由 billing 发起。",
  },
  {
    of: "an erasure",
    entry: { kind: EntryKind.ERASE },
    en: "Request ids, metadata and actors of all entries before it erased; the account and its members were given other names.",
    zh: "抹除此前所有记录的请求 ID、元数据和操作人，账户和成员已改用其他名称。",
  },
];

const SHORT = {
  points: String,
  day: (time: Parameters<typeof timestampDate>[0]) => iso(time).slice(5, 10),
  instant: (time: Parameters<typeof timestampDate>[0]) => iso(time).slice(5, 16).replace("T", " "),
  length: (length: { readonly seconds: bigint }) => `${length.seconds} s`,
};

describe("the sentence about an entry", () => {
  test.each(CASES)("says what $of was", ({ entry, others = [], fate = {}, en, zh }) => {
    const known: KnownEntry = {
      entry: entryOf({ sequence: 10n, ...entry }),
      refunded: 0n,
      revoked: 0n,
      claimed: 0n,
      referring: [],
      now: at("11-29T12:00").seconds,
      ...fate,
      others: new Map(others.map((other) => [other.sequence, other])),
    };
    const said = (language: "en" | "zh-Hans") =>
      plain(sentenceOf(known, { words: SENTENCE_WORDS[language], formats: SHORT }));
    expect([said("en"), said("zh-Hans")]).toEqual([en, zh]);
  });

  test("there is one for each kind of entry", () => {
    const kinds = new Set(CASES.map(({ entry }) => entry.kind));
    expect(kinds.size).toBe(EntryKindSchema.values.length - 1);
  });

  test("what a caller wrote is never read as a template", () => {
    const entry = entryOf({ kind: EntryKind.RECHARGE, points: 5n, requestId: "{{points}}" });
    const nothing = { refunded: 0n, revoked: 0n, claimed: 0n, referring: [], others: new Map() };
    const voice = { words: SENTENCE_WORDS.en, formats: SHORT };
    expect(plain(sentenceOf({ ...nothing, entry, now: 0n }, voice))).toBe(
      "5 points recharged, by request {{points}}, never expires; nothing revoked.",
    );
  });
});

describe("the phrase of a rule", () => {
  const allowance = {
    points: 1n,
    every: { count: 2, unit: CalendarUnit.WEEK },
    startTime: at("12-01T00:00"),
  };
  const limit = {
    points: 1n,
    window: { span: { case: "calendar", value: CalendarUnit.DAY } },
  } as const;
  const calendar = { case: "calendar", value: CalendarUnit.DAY } as const;
  type Rule = MessageInitShape<typeof PolicySchema>["rule"];
  const given = (init: MessageInitShape<typeof AllowanceSchema>): Rule => ({
    case: "allowance",
    value: { ...allowance, ...init } as typeof init,
  });
  const limited = (init: MessageInitShape<typeof LimitSchema>): Rule => ({
    case: "limit",
    value: { ...limit, ...init } as typeof init,
  });
  const RULES: Readonly<Record<string, Rule>> = {
    allowance: given({}),
    "its points": given({ points: 2n }),
    "its count": given({ every: { count: 3, unit: CalendarUnit.WEEK } }),
    "its unit": given({ every: { count: 2, unit: CalendarUnit.DAY } }),
    "its start": given({ startTime: at("12-02T00:00") }),
    "its zone": given({ timeZone: "Asia/Tokyo" }),
    "its periods": given({ expiration: { case: "periods", value: 2 } }),
    "its ttl": given({ expiration: { case: "ttl", value: seconds(9n) } }),
    "its endless life": given({ expiration: { case: "never", value: true } }),
    "its priority": given({ priority: 900 }),
    "its category": given({ category: "paid" }),
    "its services": given({ services: ["tts"] }),
    "its end": given({ endTime: at("12-31T00:00") }),
    limit: limited({}),
    "most points": limited({ points: 2n }),
    "no points": limited({ points: 0n }),
    "all time": limited({ window: { span: { case: "total", value: true } } }),
    "a window's zone": limited({ window: { span: calendar, timeZone: "Asia/Tokyo" } }),
    "a member": limited({ member: "Li" }),
    "each member": limited({ eachMember: true }),
    "a service": limited({ service: "tts" }),
    alert: { case: "alert", value: { below: 1n } },
    "another alert": { case: "alert", value: { below: 2n } },
    credit: { case: "creditLine", value: { points: 1n } },
    "more credit": { case: "creditLine", value: { points: 2n } },
  };

  test.each(["en", "zh-Hans"] as const)("says in %s each field that is set", (language) => {
    const voice = { words: SENTENCE_WORDS[language], formats: SHORT };
    const phrases = Object.entries(RULES).map(([of, rule]) => {
      return [plain(rulePhrase(voice, create(PolicySchema, { rule: rule! }).rule)), of] as const;
    });
    expect([...new Map(phrases).values()]).toEqual(Object.keys(RULES));
  });
});

describe("what followed an entry", () => {
  const one = (sequence: bigint, init: Init = {}) => entryOf({ sequence, ...init });
  const EXPIRY = { kind: EntryKind.EXPIRE };

  test.each<[string, readonly Entry[], readonly bigint[] | undefined]>([
    [
      "is what nobody asked for, in a row",
      [one(13n, EXPIRY), one(12n, { ...EXPIRY, caller: "app" }), one(11n, EXPIRY), one(10n)],
      [11n],
    ],
    ["is nothing", [one(10n)], []],
    [
      "is not known of an entry that the list does not reach",
      [one(12n), one(11n, EXPIRY)],
      undefined,
    ],
  ])("%s", (_, entries, expected) => {
    expect(followersOf(one(10n), entries)?.map(({ sequence }) => sequence)).toEqual(expected);
  });

  test("is looked for at its instant alone", () => {
    const range = instantOf(create(TimestampSchema, { seconds: 5n, nanos: 999_999_000 }));
    expect(range.endTime).toEqual({ seconds: 6n, nanos: 0 });
  });
});

describe("what may be done about an entry", () => {
  const acts = (entry: Init, fate: Case["fate"] = {}) => {
    const nothing = { refunded: 0n, revoked: 0n, claimed: 0n, referring: [], now: 0n };
    return actsOf({ ...nothing, others: new Map(), entry: entryOf(entry), ...fate });
  };
  const closed = [entryOf({ sequence: 9n, kind: EntryKind.SETTLE })];

  test.each<[string, Init, Case["fate"], readonly string[]]>([
    ["a lot", { kind: EntryKind.RECHARGE, points: 5n }, {}, ["revoke", "expire"]],
    [
      "a lot that is revoked",
      { kind: EntryKind.RECHARGE, points: 5n },
      { revoked: 5n },
      ["expire"],
    ],
    [
      "a lot with nothing left: it can still be claimed",
      { kind: EntryKind.RECHARGE, points: 5n },
      { lot: { remaining: 0n, frozen: 5n } },
      ["revoke"],
    ],
    [
      "a lot that was reissued, without what the refund gave back to others",
      { kind: EntryKind.REFUND, sequence: 9n, points: 9n, allocations: [{ lot: 9n, points: 5n }] },
      { revoked: 5n, lot: { remaining: 0n, frozen: 0n } },
      [],
    ],
    ["a charge", { kind: EntryKind.CONSUME, points: 5n }, { refunded: 4n }, ["refund"]],
    ["a charge that is refunded", { kind: EntryKind.CONSUME, points: 5n }, { refunded: 5n }, []],
    ["a settlement", { kind: EntryKind.SETTLE, points: 5n }, {}, ["refund"]],
    ["what a claim took", { kind: EntryKind.REVOKE, points: 5n, fromClaim: true }, {}, []],
    [
      "a claim that took nothing",
      { kind: EntryKind.REVOKE, refersTo: 1n, uncovered: 5n },
      {},
      ["refund"],
    ],
    ["a refund", { kind: EntryKind.REFUND, points: 5n }, {}, []],
    ["an open hold", { kind: EntryKind.FREEZE, points: 5n }, {}, ["release"]],
    ["a closed hold", { kind: EntryKind.FREEZE, points: 5n }, { referring: closed }, []],
  ])("of %s", (_, entry, fate, expected) => {
    expect(acts(entry, fate)).toEqual(expected);
  });
});

function iso(time: Parameters<typeof timestampDate>[0]): string {
  return timestampDate(time).toISOString();
}
