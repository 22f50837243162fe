import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { createPointsClient, type Refusal, refusalOf } from "../../src/client/client.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";

let server: TestServer;

beforeAll(async () => {
  server = await testServer();
  await server.client.recharge({ userId: "ada", points: 100n });
});
afterAll(async () => {
  await server.stop();
});

/** The refusal of a call that must fail. */
async function refused(call: Promise<unknown>): Promise<Refusal | undefined> {
  return call.then(() => {
    throw new Error("the call succeeded");
  }, refusalOf);
}

describe("a refusal of a real server", () => {
  test("has bigints, and its reason narrows its type", async () => {
    const client = createPointsClient(server.transport);
    const refusal = await refused(client.consume({ userId: "ada", cost: points(1_000n) }));
    if (refusal?.reason !== "INSUFFICIENT_POINTS") throw new Error(`it was ${refusal?.reason}`);
    const shortfall: bigint = refusal.shortfall;
    expect({ ...refusal, shortfall }).toEqual({
      code: Code.FailedPrecondition,
      reason: "INSUFFICIENT_POINTS",
      message: "1000 points are required, the balance is 100",
      outcome: "NOT_APPLIED",
      repeatsChecked: true,
      violations: [],
      retryDelayMs: undefined,
      balance: 100n,
      usable: 100n,
      required: 1_000n,
      shortfall: 900n,
    });
  });

  test("names the fields that break their limits", async () => {
    const refusal = await refused(server.client.consume({ userId: "a b", cost: points(0n) }));
    expect(refusal?.reason).toBe("FIELD_INVALID");
    expect(refusal?.violations.map(({ field }) => field)).toEqual(["user_id", "points"]);
  });

  test("can be read from a result of a batch", async () => {
    const { results } = await server.client.applyBatch({
      operations: [{ operation: { case: "release", value: { userId: "ada", hold: 77n } } }],
    });
    expect(refusalOf(results[0]?.result.value)).toMatchObject({
      code: Code.NotFound,
      reason: "HOLD_NOT_FOUND",
      hold: 77n,
    });
  });
});

describe("every reason of the contract", () => {
  const proto = readFileSync("proto/points/v1/error_reason.proto", "utf8");
  const values = [...proto.matchAll(/((?: *\/\/ .*\n)+) *ERROR_REASON_(\w+) = [1-9]/g)];
  const reasons = values.map(([, comment, reason]) => ({
    reason: reason!,
    told: toldBy(comment!),
  }));

  test("is there", () => {
    expect(reasons.length).toBeGreaterThan(20);
  });

  test.for(reasons)("$reason has the facts that its comment lists", (value) => {
    const metadata = Object.fromEntries(value.told.map((name) => [name, "7"]));
    const refusal = refusalOf(errorWith({ reason: value.reason, metadata }));
    const { code, message, outcome, repeatsChecked, ...rest } = refusal!;
    const { violations, retryDelayMs, reason, ...facts } = rest;
    expect([code, message, outcome, repeatsChecked]).toEqual([
      Code.Internal,
      "x",
      "UNKNOWN",
      false,
    ]);
    expect([violations, retryDelayMs, reason]).toEqual([[], undefined, value.reason]);
    expect(Object.keys(facts)).toEqual(value.told.map(camelCase));
  });
});

describe("an unreadable refusal", () => {
  test.for<[string, unknown]>([
    ["any other error", new Error("x")],
    ["an error without details", new ConnectError("x", Code.Unavailable)],
    ["another domain's", errorWith({ reason: "OVERLOADED", domain: "else" })],
    ["a reason of a newer version", errorWith({ reason: "BRAND_NEW" })],
    ["the reason that is never sent", errorWith({ reason: "UNSPECIFIED" })],
    ["one that lacks a fact", errorWith({ reason: "LOT_NOT_FOUND" })],
    ["one whose number is none", errorWith({ reason: "LOT_NOT_FOUND", metadata: { lot: "x" } })],
    ["no error", undefined],
  ])("%s is undefined", ([, error]) => {
    expect(refusalOf(error)).toBeUndefined();
  });
});

function errorWith(info: { reason: string; domain?: string; metadata?: Record<string, string> }) {
  const error = new ConnectError("x", Code.Internal);
  error.details = [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { domain: "points.v1", ...info }) },
  ];
  return error;
}

/** "Metadata: request_id, sequence (of …)." names request_id and sequence; a clause is no name. */
function toldBy(comment: string): string[] {
  const text = comment.replaceAll(/\n? *\/\/ /g, " ").replaceAll(/\([^)]*\)/g, "");
  const [, names = ""] = /Metadata: ([^.]*)\./.exec(text) ?? [];
  return names.split(",").flatMap((part) => /^(?:or )?([a-z_]+)$/.exec(part.trim())?.[1] ?? []);
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
