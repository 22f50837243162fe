import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import type { Status } from "../../gen/google/rpc/status_pb.ts";
import {
  type ApplyBatchResponse,
  type OperationResult,
  OperationResultSchema,
  OperationSchema,
  PointsService,
  type Shortfall,
} from "../../gen/points/v1/points_pb.ts";
import { expectEquations } from "../support/equations.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { pricedServer } from "../support/priced-server.ts";
import { alertBelow, creditLine, points, quantity, ttl, use } from "../support/requests.ts";
import type { TestServer } from "../support/server.ts";

type Operation = MessageInitShape<typeof OperationSchema>;
type Kind = Exclude<OperationResult["result"]["case"], "error" | undefined>;

let server: TestServer;
beforeAll(async () => {
  server = await pricedServer();
});
afterAll(async () => {
  await expectEquations(server.database);
  await server.stop();
});

describe("ApplyBatch", () => {
  test("gives each of 1,000 operations what it alone would have got, in order", async () => {
    for (const before of [history("a"), history("b")]) {
      for (const operation of before) await alone(operation);
    }

    const { results } = await server.client.applyBatch({ operations: thousand("a") });
    const expected: Outcome[] = [];
    for (const operation of thousand("b")) expected.push(await alone(operation));

    expect(results).toHaveLength(1000);
    expect(results.map(outcomeOf).map(familiar)).toEqual(expected.map(familiar));
    // The test is worth little if all outcomes are of one kind.
    expect(new Set(results.map(kindOf))).toEqual(new Set([...KINDS, ...REASONS]));
    expect(results.filter(isReplay).length).toBeGreaterThan(20);
  });

  test("repeated as a whole gives every answer again", async () => {
    const operations = [3n, 5n, 200n, 4n].map((value, n) =>
      consume({ userId: "whole", requestId: `r${n}`, cost: points(value) }),
    );
    await server.client.recharge({ userId: "whole", points: 100n });
    const first = await server.client.applyBatch({ operations });
    const again = await server.client.applyBatch({ operations });
    expect(first.results.map(kindOf)).toEqual([
      "consume",
      "consume",
      "INSUFFICIENT_POINTS",
      "consume",
    ]);
    expect(again.results.map(isReplay)).toEqual([true, true, false, true]);
    const answers = (response: ApplyBatchResponse) =>
      response.results.flatMap(({ result: { case: kind, value } }) =>
        kind === "error" ? [] : [{ ...value, replayed: false }],
      );
    expect(answers(again)).toEqual(answers(first));
    const { account } = await server.client.getOrCreate({ userId: "whole" });
    expect(account).toMatchObject({ sequence: 4n, balance: 88n });
  });

  test("knows repeats of single calls, and single calls know repeats of it", async () => {
    const recharge = { userId: "mixed", requestId: "r1", points: 9n };
    const charge = { userId: "mixed", requestId: "r2", cost: points(4n) };
    const alone1 = await server.client.recharge(recharge);
    const { results } = await server.client.applyBatch({
      operations: [{ operation: { case: "recharge", value: recharge } }, consume(charge)],
    });
    const alone2 = await server.client.consume(charge);
    expect(results[0]!.result.value).toEqual({ ...alone1, replayed: true });
    expect(alone2).toEqual({ ...(results[1]!.result.value as object), replayed: true });
  });

  test.each([0, 1001])("refuses %i operations, and applies none of them", async (count) => {
    await server.client.getOrCreate({ userId: `many-${count}` });
    const value = { userId: `many-${count}`, points: 1n };
    const operations = Array.from({ length: count }, (): Operation => ({
      operation: { case: "recharge", value },
    }));
    expect(await refusalOf(server.client.applyBatch({ operations }))).toMatchObject({
      code: "InvalidArgument",
      reason: "FIELD_INVALID",
      outcome: "NOT_APPLIED",
      fields: ["operations"],
    });
    const { account } = await server.client.getOrCreate({ userId: `many-${count}` });
    expect(account!.sequence).toBe(0n);
  });

  test("tells in each error what the call alone would tell", async () => {
    await server.client.recharge({ userId: "errors", points: 5n });
    const { results } = await server.client.applyBatch({
      operations: [
        consume({ userId: "errors", cost: points(7n) }),
        consume({ userId: "errors nobody", requestId: "r 1", cost: points(0n) }),
        consume({ userId: "errors" }),
        {},
        { operation: { case: "settle", value: { userId: "errors", hold: 4n } } },
      ],
    });
    expect(results.map(outcomeOf)).toEqual([
      {
        code: Code.FailedPrecondition,
        reason: "INSUFFICIENT_POINTS",
        metadata: {
          balance: "5",
          usable: "5",
          required: "7",
          shortfall: "2",
          outcome: "NOT_APPLIED",
        },
        fields: [],
      },
      malformed("user_id", "request_id", "points"),
      malformed("cost"),
      malformed("operation"),
      {
        code: Code.NotFound,
        reason: "HOLD_NOT_FOUND",
        metadata: { hold: "4", outcome: "NOT_APPLIED" },
        fields: [],
      },
    ]);
    expect((results[0]!.result.value as Status).message).toBe(
      "7 points are required, the balance is 5",
    );
  });

  test("in JSON over HTTP/1.1 has its errors inside", async () => {
    const response = await fetch(`${server.baseUrl}/${PointsService.typeName}/ApplyBatch`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        operations: [
          { recharge: { userId: "json", points: 5 } },
          { consume: { userId: "json", points: "9" } },
          { freeze: { userId: "json", usage: { service: "image", quantity: 1 } } },
          { consume: { userId: "" } },
          {},
        ],
      }),
    });
    expect(response.status).toBe(200);
    const domain = "points.v1";
    const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", domain };
    expect(await response.json()).toMatchObject({
      results: [
        { recharge: { account: { balance: "5", frozen: "0" }, replayed: false } },
        {
          error: {
            code: Code.FailedPrecondition,
            details: [
              {
                ...info,
                reason: "INSUFFICIENT_POINTS",
                metadata: { shortfall: "4", outcome: "NOT_APPLIED" },
              },
            ],
          },
        },
        { freeze: { hold: { number: "2", points: "4", state: "HOLD_STATE_OPEN" } } },
        {
          error: {
            code: Code.InvalidArgument,
            details: [
              { ...info, reason: "FIELD_INVALID" },
              {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                fieldViolations: [{ field: "user_id" }, { field: "cost" }],
              },
            ],
          },
        },
        { error: { details: [info, { fieldViolations: [{ field: "operation" }] }] } },
      ],
    });
  });

  test("of one user's many charges stops where the points end", async () => {
    await server.client.recharge({ userId: "ends", points: 600n });
    const operations = Array.from({ length: 1000 }, () =>
      consume({ userId: "ends", cost: points(1n) }),
    );
    const { results } = await server.client.applyBatch({ operations });
    expect(results.map(kindOf)).toEqual([
      ...Array.from({ length: 600 }, () => "consume"),
      ...Array.from({ length: 400 }, () => "INSUFFICIENT_POINTS"),
    ]);
    const sequences = results.slice(0, 600).map(({ result }) => {
      return result.case === "consume" && result.value.entry?.sequence;
    });
    expect(sequences).toEqual(Array.from({ length: 600 }, (_, n) => BigInt(n + 2)));
  });
});

const KINDS = OperationSchema.fields.map(({ localName }) => localName as Kind);

const REASONS = [
  "FIELD_INVALID",
  "ACCOUNT_NOT_FOUND",
  "LOT_NOT_FOUND",
  "REQUEST_ID_REUSED",
  "INSUFFICIENT_POINTS",
  "HOLD_NOT_FOUND",
  "HOLD_CLOSED",
  "HOLD_EXCEEDED",
  "ENTRY_NOT_FOUND",
  "ENTRY_NOT_REFUNDABLE",
  "REFUND_EXCEEDS_ENTRY",
  "REVOKE_EXCEEDS_LOT",
  "POLICY_NOT_FOUND",
  "SERVICE_NOT_PRICED",
];

function consume(value: Extract<Operation["operation"], { case: "consume" }>["value"]): Operation {
  return { operation: { case: "consume", value } };
}

/** The history of a family of accounts: the batch repeats some of it. */
function history(family: string): Operation[] {
  return Array.from({ length: 40 }, (_, n): Operation => {
    const userId = `${family}-${n % 4}`;
    const value = { userId, requestId: `old-${n}`, points: BigInt(20 + n) };
    return { operation: { case: "recharge", value } };
  });
}

/** Operations on five accounts, one of which is never made; the same for each family. */
function thousand(family: string): Operation[] {
  // Marsaglia's xorshift.
  let seed = 42;
  const random = (below: number) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % below;
  };
  const old = history(family);
  const made: Operation[] = [];
  for (let n = 0; n < 1000; n += 1) {
    const before = [...old, ...made];
    const again = random(8) === 0 ? before[random(before.length)] : undefined;
    made.push(again ?? anything(family, n, random));
  }
  return made;
}

function anything(family: string, n: number, random: (below: number) => number): Operation {
  const user = random(21);
  const userId = user === 20 ? `${family}-never` : `${family}-${user % 4}`;
  const requestId = random(2) === 0 ? `r${Math.floor(n / 4)}` : "";
  const metadata: Record<string, string> = random(4) === 0 ? { n: String(n) } : {};
  const common = { userId, requestId, metadata };
  // About as many entries as the account will have by then; the first of them often.
  const number = BigInt(1 + random(random(2) === 0 ? 20 : 12 + Math.floor(n / 7)));
  const [some, many] = [BigInt(1 + random(30)), 5_000n];
  const cost =
    random(3) === 0
      ? use(random(9) === 0 ? NO_SERVICE : IMAGE)
      : points(random(9) === 0 ? many : some);
  switch (random(21)) {
    case 0:
      return {};
    case 1:
      return consume({ ...common, cost: points(0n), requestId: random(2) === 0 ? "a b" : "" });
    case 2:
    case 3:
    case 4: {
      // An account that was never made stays so.
      if (user === 20) return consume({ ...common, cost });
      const expiration = random(2) === 0 ? ttl(3_600_000) : ({ case: undefined } as const);
      const value = { ...common, points: BigInt(1 + random(40)), priority: random(3), expiration };
      return { operation: { case: "recharge", value } };
    }
    case 5: {
      const targets = [
        points(3n),
        { case: "lot", value: number },
        { case: "due", value: true },
      ] as const;
      const target = targets[random(3)]!;
      if (target.case !== "due" && random(2) === 0) {
        return { operation: { case: "revoke", value: { ...common, target } } };
      }
      return { operation: { case: "expire", value: { ...common, target } } };
    }
    case 6:
    case 7:
    case 8:
      return { operation: { case: "freeze", value: { ...common, cost } } };
    case 9:
    case 10:
      return {
        operation: {
          case: "settle",
          value: { ...common, hold: number, cost, keepOpen: random(2) === 0 },
        },
      };
    case 11:
      return { operation: { case: "extendHold", value: { ...common, hold: number, more: cost } } };
    case 12:
      return { operation: { case: "release", value: { ...common, hold: number } } };
    case 13:
    case 14:
    case 15:
      return { operation: { case: "refund", value: { ...common, sequence: number } } };
    case 16: {
      const target = random(4) === 0 ? points(some) : ({ case: "lot", value: number } as const);
      const onShortfall = random(4) as Shortfall;
      return { operation: { case: "revoke", value: { ...common, target, onShortfall } } };
    }
    case 17: {
      // An account that was never made stays so.
      if (user === 20) return consume({ ...common, cost });
      const policy = random(4) === 0 ? alertBelow(some, "credit") : creditLine(some);
      return { operation: { case: "putPolicy", value: { ...common, policy } } };
    }
    case 18:
      return { operation: { case: "deletePolicy", value: { ...common, name: "credit" } } };
    default: {
      const onShortfall = random(4) as Shortfall;
      return consume({ ...common, cost, onShortfall });
    }
  }
}

const IMAGE = quantity("image", 3n);
const NO_SERVICE = { service: "nothing" };

/** The outcome of an operation as a call of its own, in the form of `outcomeOf`. */
async function alone({ operation: one }: Operation): Promise<Outcome> {
  if (one?.case === undefined) return malformed("operation");
  try {
    const call = server.client[one.case] as (value: unknown) => Promise<object>;
    const result = { case: one.case, value: await call(one.value) } as OperationResult["result"];
    return outcomeOf(create(OperationResultSchema, { result }));
  } catch (error) {
    const { code, reason, outcome, repeatsChecked, metadata, fields } = readRefusal(error);
    const checked = repeatsChecked ? { repeats_checked: "true" } : {};
    return { code: Code[code], reason, metadata: { ...metadata, ...checked, outcome }, fields };
  }
}

/** A result without times and hashes, which no two calls have in common. */
type Outcome = Record<string, unknown>;

function outcomeOf({ result }: OperationResult): Outcome {
  if (result.case === "error") return errorOf(result.value);
  const json = JSON.stringify(toJson(OperationResultSchema, { $typeName: TYPE_NAME, result }));
  return JSON.parse(
    json.replaceAll(/"(\w+Time|hash|salt|fingerprint|personalDigest)":"[^"]*"/g, '"$1":""'),
  ) as Outcome;
}

const TYPE_NAME = OperationResultSchema.typeName;

function errorOf({ code, details }: Status): Outcome {
  const infos = details.map((any) => anyUnpack(any, ErrorInfoSchema));
  const requests = details.map((any) => anyUnpack(any, BadRequestSchema));
  const { reason, metadata } = infos.find((info) => info !== undefined)!;
  const violations = requests.find((request) => request !== undefined)?.fieldViolations ?? [];
  return { code, reason, metadata, fields: violations.map(({ field }) => field) };
}

function malformed(...fields: string[]): Outcome {
  const metadata = { outcome: "NOT_APPLIED" };
  return { code: Code.InvalidArgument, reason: "FIELD_INVALID", metadata, fields };
}

/** Which answer, or which refusal. */
function kindOf(result: OperationResult): string {
  const { reason, ...rest } = outcomeOf(result);
  return typeof reason === "string" ? reason : Object.keys(rest)[0]!;
}

function isReplay({ result }: OperationResult): boolean {
  return result.case !== "error" && result.value?.replayed === true;
}

/** The same for each family. */
function familiar(outcome: Outcome): unknown {
  return JSON.parse(JSON.stringify(outcome).replaceAll(/"[ab]-(\d|never)"/g, '"$1"'));
}
