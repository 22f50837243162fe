import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { type Attempt, isUnderWay, NEW_ATTEMPT, nextAttempt } from "../../console/acts/attempt.ts";
import { serverFaults } from "../../console/acts/server-faults.ts";
import { firstValues } from "../../console/acts/first-values.ts";
import { mutationOf, type Mutation, type Opened } from "../../console/acts/mutation.ts";
import { newRequestId } from "../../console/acts/request-id.ts";
import { localTimeOf, NO_VALUES, type Values } from "../../console/acts/values.ts";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { EntryKind, LotSchema } from "../../gen/points/v1/account_pb.ts";
import { CalendarUnit, PolicySchema } from "../../gen/points/v1/policy_pb.ts";
import { PolicyStatusSchema } from "../../gen/points/v1/policies_pb.ts";
import { GetEntryResponseSchema, Shortfall } from "../../gen/points/v1/points_pb.ts";
import type { Refusal } from "../../src/client/refusal.ts";

const HASH = new Uint8Array(32).fill(7);
const about = create(GetEntryResponseSchema, { entry: { sequence: 42n, hash: HASH } });
/** Entry 42 made a lot of 200 points. */
const madeBy42 = create(GetEntryResponseSchema, {
  entry: { sequence: 42n, hash: HASH, kind: EntryKind.RECHARGE, points: 200n },
});
const SAID = { actor: "Li", reason: "it failed" };

function opened(act: Opened["act"], more: Partial<Opened> = {}): Opened {
  return { act, user: "ada", requestId: "console-1", ...more };
}

/** What a form asks for, or which of its fields are wrong. */
function asked(form: Opened, typed: Partial<Values>) {
  const made = mutationOf(form, { ...NO_VALUES, ...SAID, ...typed });
  if ("faults" in made) return made.faults;
  const { $typeName: _, ...request } = made.mutation.value;
  return request;
}

const WORDS = {
  userId: "ada",
  requestId: "console-1",
  actor: "Li",
  metadata: { reason: "it failed" },
  validateOnly: false,
};

describe("a form asks", () => {
  test.each<[string, Opened, Partial<Values>, object]>([
    [
      "to revoke what a lot still has, and nobody need say what is lacking",
      opened("revoke", { about: madeBy42, lot: create(LotSchema, { remaining: 56n }) }),
      { points: "56" },
      { lotPoints: 56n, onShortfall: Shortfall.REFUSE },
    ],
    [
      "to revoke all of a lot that has less, with what is lacking refused by a person's choice",
      opened("revoke", { about: madeBy42, lot: create(LotSchema, { remaining: 56n }) }),
      { shortfall: "refuse" },
      { onShortfall: Shortfall.REFUSE },
    ],
    ["to refund all", opened("refund", { about }), {}, { sequence: 42n, expectedHash: HASH }],
    [
      "to refund a part, which lives on for 30 days",
      opened("refund", { about }),
      { points: "1,234", reissue: "reissue", days: "30" },
      { points: 1_234n, reissueTtl: { seconds: 2_592_000n } },
    ],
    [
      "for points that never expire, for some services",
      opened("recharge"),
      { points: "5", expires: "never", services: "tts, caption tts", category: " gift " },
      {
        points: 5n,
        services: ["tts", "caption"],
        category: "gift",
        expiration: { case: undefined },
      },
    ],
    [
      "for points that expire after days",
      opened("recharge"),
      { points: "5", expires: "days", days: "1", priority: "7" },
      { priority: 7, expiration: { case: "ttl", value: { seconds: 86_400n } } },
    ],
    [
      "to revoke points, and to owe what is lacking",
      opened("revoke"),
      { points: "5", shortfall: "owe" },
      { target: { case: "points", value: 5n }, onShortfall: Shortfall.OWE },
    ],
    [
      "to revoke points of the lot that it was opened on",
      opened("revoke", { about }),
      { points: "5", shortfall: "take" },
      { target: { case: "lot", value: 42n }, lotPoints: 5n, expectedHash: HASH },
    ],
    [
      "to expire a lot",
      opened("expire", { about }),
      {},
      { target: { case: "lot", value: 42n }, expectedHash: HASH },
    ],
    ["to expire what is due", opened("expire"), { target: "due" }, { target: { case: "due" } }],
    ["to release a hold", opened("release", { about }), {}, { hold: 42n, expectedHash: HASH }],
    [
      "for a daily limit of each member",
      opened("policy"),
      {
        name: "cap",
        rule: "limit",
        points: "0",
        window: "day",
        whose: "each",
        timeZone: "Asia/Tokyo",
      },
      {
        policy: {
          name: "cap",
          rule: {
            value: {
              points: 0n,
              eachMember: true,
              window: { span: { value: CalendarUnit.DAY }, timeZone: "Asia/Tokyo" },
            },
          },
        },
      },
    ],
    [
      "for an alert below a debt",
      opened("policy"),
      { name: "low", rule: "alert", points: "−5" },
      { policy: { rule: { case: "alert", value: { below: -5n } } } },
    ],
    [
      "for a number in wide digits",
      opened("revoke"),
      { points: "１，２３４" },
      { target: { value: 1_234n } },
    ],
    [
      "with a ticket",
      opened("refund", { about }),
      { ticket: "T-1" },
      { metadata: { ticket: "T-1" } },
    ],
  ])("%s", (_, form, typed, request) => {
    expect(asked(form, typed)).toMatchObject({ ...WORDS, ...request });
  });
});

test("a ticket of which nothing can be seen is none", () => {
  const metadata = { reason: SAID.reason };
  const request = asked(opened("refund", { about }), { ticket: "\u200b" });
  expect(request).toHaveProperty("metadata", metadata);
});

describe("a form refuses", () => {
  test.each<[Partial<Values>, object]>([
    [
      { points: "", reason: " ", actor: "" },
      {
        points: { word: "required" },
        reason: { word: "required" },
        actor: { word: "required" },
      },
    ],
    [
      { reason: "\u200b \u3164\u2800", actor: "\u2060" },
      { reason: { word: "required" }, actor: { word: "required" } },
    ],
    [{ points: "1.5" }, { points: { word: "notWhole" } }],
    [{ points: "5²" }, { points: { word: "notWhole" } }],
    [{ points: "1e3" }, { points: { word: "notWhole" } }],
    [{ points: "12,34" }, { points: { word: "notWhole" } }],
    [{ points: "0" }, { points: { word: "tooFew", bound: 1n } }],
    [{ points: "-5" }, { points: { word: "tooFew", bound: 1n } }],
    [{ points: "1000000000001" }, { points: { word: "tooMany", bound: 1_000_000_000_000n } }],
    [{ reason: "积".repeat(86) }, { reason: { word: "tooLong", bound: 256n } }],
    [{ actor: "a".repeat(129) }, { actor: { word: "tooLongChars", bound: 128n } }],
    [{ ticket: "a\u0007" }, { ticket: { word: "plain" } }],
    [{ expires: "days", days: "" }, { days: { word: "required" } }],
    [{ expires: "at", expireTime: "" }, { expireTime: { word: "required" } }],
    [{ priority: "1001" }, { priority: { word: "tooMany", bound: 1_000n } }],
    [{ services: "声" }, { services: { word: "plain" } }],
  ])("%o", (typed, faults) => {
    expect(asked(opened("recharge"), { points: "5", expires: "never", ...typed })).toEqual(faults);
  });

  test("where a lot has too few points, what is to become of the others has to be chosen", () => {
    const lot = create(LotSchema, { remaining: 56n });
    const all = opened("revoke", { about: madeBy42, lot });
    expect(asked(all, {})).toEqual({ shortfall: { word: "required" } });
    expect(asked(all, { points: "57" })).toEqual({ shortfall: { word: "required" } });
  });

  test("nothing that the server takes: 85 Chinese characters, 128 emojis, the most points", () => {
    const most = { reason: "积".repeat(85), actor: "😀".repeat(128), points: "1,000,000,000,000" };
    expect(asked(opened("recharge"), { ...most, expires: "never" })).toMatchObject({
      points: 1_000_000_000_000n,
    });
  });
});

test("a policy that nothing is changed of is asked for as it is, to the microsecond", () => {
  const nextTime = timestampFromDate(new Date("2026-12-29T23:11:52.123Z"));
  nextTime.nanos += 456_000;
  const policy = create(PolicySchema, {
    name: "monthly",
    rule: {
      case: "allowance",
      value: {
        points: 100n,
        every: { count: 3, unit: CalendarUnit.WEEK },
        timeZone: "Europe/Berlin",
        expiration: { case: "ttl", value: { seconds: 129_600n } },
        category: "plan",
        services: ["tts", "caption"],
        priority: 5,
      },
    },
  });
  const changed = create(PolicyStatusSchema, { policy, nextTime });
  const values = firstValues("policy", { actor: "Li", zone: "Asia/Shanghai", changed });
  const made = mutationOf(opened("policy", { policy: changed }), { ...values, reason: "same" });
  const expected = structuredClone(policy);
  if (expected.rule.case === "allowance") expected.rule.value.startTime = nextTime;
  expect(made).toMatchObject({ mutation: { value: { policy: expected } } });
});

test("an instant is shown in the browser's zone, and read back as it was to the second", () => {
  const time = timestampFromDate(new Date("2026-11-28T14:05:09Z"));
  const typed = { points: "5", expires: "at", expireTime: localTimeOf(time) };
  expect(asked(opened("recharge"), typed)).toMatchObject({ expiration: { value: time } });
});

test("each form has a request id of its own, of 128 random bits", () => {
  expect(newRequestId()).toMatch(/^console-[0-9a-f]{32}$/);
  expect(newRequestId()).not.toBe(newRequestId());
});

test("what the server says is wrong is said at the field", () => {
  const violations = [
    { field: 'metadata["reason"]', description: "is too long" },
    { field: "policy.allowance.start_time", description: "must be after now" },
    { field: "lot_points", description: "is too many" },
    { field: "user_id", description: "is not in the form" },
  ];
  expect(serverFaults({ violations } as unknown as Refusal)).toEqual({
    reason: { word: "server", text: "is too long" },
    startTime: { word: "server", text: "must be after now" },
    points: { word: "server", text: "is too many" },
  });
});

describe("an attempt", () => {
  const mutation = {} as Mutation;
  const preview = { mutation, answer: { replayed: false } };
  const previewed: Attempt = { step: "previewed", isSent: false, ...preview };
  const sent = nextAttempt(previewed, { is: "sent" });
  const failed = (attempt: Attempt, error: unknown) =>
    nextAttempt(attempt, { is: "failed", error });
  const refused = (metadata: Record<string, string>) => {
    const info = { domain: "points.v1", reason: "OVERLOADED", metadata };
    return new ConnectError("no", Code.Unavailable, {}, [{ desc: ErrorInfoSchema, value: info }]);
  };
  const lost = new ConnectError("connection lost", Code.Unavailable);

  test("is taken back by a change, but not once it was sent", () => {
    expect(nextAttempt(previewed, { is: "changed" })).toBe(NEW_ATTEMPT);
    expect(nextAttempt(sent, { is: "changed" })).toBe(sent);
    expect([previewed, sent].map(isUnderWay)).toEqual([false, true]);
  });

  test("is not under way where it was not sent after all", () => {
    const error = new Error("the policy is another one");
    const stopped = { is: "stopped", error } as const;
    expect(nextAttempt(sent, stopped)).toEqual({ step: "editing", error });
    const unknown = { ...preview, step: "unknown", isSent: true, error } as const;
    expect(nextAttempt(unknown, stopped)).toBe(unknown);
  });

  test("takes no preview of what the form said before a change", () => {
    const changed = nextAttempt(nextAttempt(NEW_ATTEMPT, { is: "asked", mutation }), {
      is: "changed",
    });
    expect(nextAttempt(changed, { is: "shown", ...preview })).toBe(changed);
  });

  test.each<[string, Attempt, unknown, Attempt["step"]]>([
    ["whose answer is lost is unknown", sent, lost, "unknown"],
    ["that a server does not know the end of is unknown", sent, refused({}), "unknown"],
    [
      "that was not done can be tried again",
      sent,
      refused({ outcome: "NOT_APPLIED" }),
      "previewed",
    ],
    [
      "that was refused by the ledger needs another preview",
      sent,
      refused({ outcome: "NOT_APPLIED", repeats_checked: "true" }),
      "editing",
    ],
    [
      "once unknown stays so, if the server has not looked for an earlier answer",
      failed(sent, lost),
      refused({ outcome: "NOT_APPLIED" }),
      "unknown",
    ],
    [
      "once unknown was not done, if the server has looked",
      failed(sent, lost),
      refused({ outcome: "NOT_APPLIED", repeats_checked: "true" }),
      "editing",
    ],
  ])("%s", (_, attempt, error, step) => {
    expect(failed(attempt, error).step).toBe(step);
  });

  test("once unknown is done when an answer comes", () => {
    const again = nextAttempt(failed(sent, lost), { is: "sent" });
    const answer = { replayed: true };
    expect(nextAttempt(again, { is: "answered", answer })).toMatchObject({ step: "done", answer });
  });
});
