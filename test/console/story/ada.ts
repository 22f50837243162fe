import { CalendarUnit } from "../../../gen/points/v1/policy_pb.ts";
import { Shortfall } from "../../../gen/points/v1/points_pb.ts";
import type { Scene } from "./tell.ts";

const userId = "ada";

/** Six weeks of somebody who makes lessons with a video product, and of whom much is to be asked. */
export function adaScenes(): readonly Scene[] {
  return [
    gift("-41 08:58", "welcome-ada", { points: 50n, days: 14, note: "welcome" }),
    ...policies(),
    bought("-40 19:31", { order: "order-7001", points: 300n, days: 365 }),
    gift("-38 12:00", "covers-ada", { points: 40n, days: 12, services: ["cover_design"] }),
    ...jobs(`
    -40 19:48 script lesson-1
    -40 19:55 title lesson-1
    -40 20:02 tts lesson-1 42
    -39 09:14 video lesson-1 31
    -38 18:20 polish lesson-1
    -37 10:02 script lesson-2
    -37 10:15 tts lesson-2 38
    -36 11:40 cover_design lesson-2
    -34 09:05 video lesson-2 26
    -33 20:10 subtitle_burn lesson-2
    -32 12:12 caption lesson-2
    -31 10:30 script lesson-3
    -30 10:41 tts lesson-3 55
    -29 17:25 video lesson-3 38
  `),
    gift("-24 09:00", "voices-ada", { points: 150n, days: 36, services: ["tts", "voice_clone"] }),
    bought("-20 21:07", { order: "order-7029", points: 200n, days: 60 }),
    ...jobs(`
    -20 21:15 voice_clone lesson-4
    -19 09:42 script lesson-4
    -18 10:20 tts lesson-4 47
    -17 16:33 video lesson-4 29
    -15 11:08 compose lesson-4
    -13 09:51 script lesson-5
  `),
    ...failedVideo(),
    ...jobs(`
    -10 09:20 script lesson-6
    -10 09:33 tts lesson-6 51
    -9 18:45 video lesson-6 24
    -8 10:10 cover_design lesson-6
  `),
    ...settledVideo(),
    bought("-4 20:15", { order: "order-7102", points: 500n, days: 365 }),
    ...jobs(`
    -3 09:12 script lesson-7
    -3 09:40 tts lesson-7 64
    -2 17:05 video lesson-7 15
  `),
    bought("-2 18:00", { order: "order-7044", points: 200n, days: 20 }),
    ...jobs("-1 10:22 title lesson-7", "-1 10:25 polish lesson-7"),
    goodwill(),
    ...today(),
  ];
}

function policies(): Scene[] {
  const month = { unit: CalendarUnit.MONTH };
  const allowance = { points: 320n, every: month, timeZone: "Asia/Shanghai", category: "plan" };
  const ofVideo = { points: 600n, service: "video" } as const;
  const span = { case: "calendar", value: CalendarUnit.WEEK } as const;
  const limit = { ...ofVideo, window: { span, timeZone: "Asia/Shanghai" } };
  const rules = [
    ["plan-creator", { case: "allowance", value: allowance }],
    ["weekly-video", { case: "limit", value: limit }],
    ["low-balance", { case: "alert", value: { below: 400n } }],
  ] as const;
  return rules.map(([name, rule], minute) => ({
    when: `-41 09:0${minute}`,
    by: "billing",
    asks: {
      case: "putPolicy",
      value: { userId, requestId: `sub-ada-${name}`, policy: { name, rule } },
    },
  }));
}

/** A video that fails after it was paid for, and is refunded by a person. */
function failedVideo(): Scene[] {
  return [
    ...jobs("-12 14:20 video lesson-5 40"),
    {
      when: "-12 15:02",
      by: "support",
      asks: (numberOf) => ({
        case: "refund",
        value: {
          userId,
          requestId: "console-refund-ada",
          sequence: numberOf("job-lesson-5-video"),
          actor: "王芳",
          metadata: { reason: "视频渲染失败，用户来信", ticket: "T-2291" },
        },
      }),
    },
  ];
}

/** A video that becomes shorter than was set aside, and one that is given up. */
function settledVideo(): Scene[] {
  return [
    ...holds("-7 11:00", { id: "render-6b", seconds: 30n, ttl: 3_600n, project: "lesson-6" }),
    {
      when: "-7 11:09",
      by: "studio",
      asks: (numberOf) => ({
        case: "settle",
        value: {
          userId,
          requestId: "render-6b-done",
          hold: numberOf("render-6b"),
          cost: usage("video", 24n),
          actor: "render-worker-3",
          metadata: { project: "lesson-6", length: "24 s" },
        },
      }),
    },
    ...holds("-6 16:00", { id: "render-6c", seconds: 12n, ttl: 1_800n, project: "lesson-6" }),
  ];
}

/** A chargeback while a video is made of the points that it is about; and another video. */
function today(): Scene[] {
  return [
    ...holds("-190m", { id: "render-8", seconds: 50n, ttl: 86_400n, project: "lesson-8" }),
    {
      when: "-150m",
      by: "billing",
      asks: (numberOf) => ({
        case: "revoke",
        value: {
          userId,
          requestId: "chargeback-7044",
          target: { case: "lot", value: numberOf("order-7044") },
          onShortfall: Shortfall.TAKE,
          actor: "risk-desk",
          metadata: { order: "order-7044", reason: "chargeback" },
        },
      }),
    },
    ...jobs("-95m script lesson-8", "-93m tts lesson-8 37"),
    ...holds("-12m", { id: "render-9", seconds: 20n, ttl: 5_400n, project: "lesson-9" }),
    {
      when: "-6m",
      by: "studio",
      asks: (numberOf) => ({
        case: "settle",
        value: {
          userId,
          requestId: "render-9-part-1",
          hold: numberOf("render-9"),
          cost: usage("video", 7n),
          keepOpen: true,
          actor: "render-worker-1",
          metadata: { project: "lesson-9", part: "1" },
        },
      }),
    },
  ];
}

/** A person makes good what went wrong. */
function goodwill(): Scene {
  const metadata = { reason: "补偿：导出的配音有杂音", ticket: "T-2317" };
  const value = {
    userId,
    requestId: "console-goodwill-ada",
    points: 120n,
    actor: "李雷",
    metadata,
  };
  const lot = { expiration: living(4), category: "goodwill", services: ["tts", "script"] };
  return {
    when: "-1 14:30",
    by: "support",
    asks: { case: "recharge", value: { ...value, ...lot } },
  };
}

function gift(
  when: string,
  requestId: string,
  of: { points: bigint; days: number; services?: string[]; note?: string },
): Scene {
  const { points, days, services = [], note } = of;
  const metadata = { campaign: "autumn", ...(note && { note }) };
  const lot = { points, expiration: living(days), category: "gift", services };
  const value = { userId, requestId, ...lot, metadata };
  return { when, by: "marketing", asks: { case: "recharge", value } };
}

function bought(
  when: string,
  { order, points, days }: { order: string; points: bigint; days: number },
): Scene {
  const metadata = { order, pack: `${points}`, paid_by: "微信支付" };
  const value = { userId, requestId: order, points, expiration: living(days), metadata };
  return { when, by: "billing", asks: { case: "recharge", value: { ...value, category: "paid" } } };
}

/** Charges by usage, a line each: when, service, project, and how many seconds. */
function jobs(...lines: string[]): Scene[] {
  const texts = lines.flatMap((line) => line.trim().split("\n"));
  return texts.map((text) => {
    const [, when, service, project, seconds] = JOB.exec(text.trim()) as unknown as string[];
    const requestId = `job-${project}-${service}`;
    const cost = usage(service!, seconds === undefined ? undefined : BigInt(seconds));
    const asked = { userId, requestId, cost, metadata: { project: project! }, actor: "Ada Chen" };
    return { when: when!, by: "studio", asks: { case: "consume", value: asked } };
  });
}

const JOB = /^(-\d+ \d\d:\d\d|-\d+m) (\S+) (\S+)(?: (\d+))?$/;

function holds(
  when: string,
  { id, seconds, ttl, project }: { id: string; seconds: bigint; ttl: bigint; project: string },
): Scene[] {
  const expiration = { case: "ttl", value: { seconds: ttl } } as const;
  const asked = { userId, requestId: id, cost: usage("video", seconds), expiration };
  const value = { ...asked, metadata: { project }, actor: "Ada Chen" };
  return [{ when, by: "studio", asks: { case: "freeze", value } }];
}

function usage(service: string, seconds?: bigint) {
  const amount = seconds && ({ case: "duration", value: { seconds } } as const);
  return { case: "usage", value: { service, ...(amount && { amount }) } } as const;
}

function living(days: number) {
  return { case: "ttl", value: { seconds: BigInt(days) * 86_400n } } as const;
}
