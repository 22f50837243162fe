import type { Client } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import { readRefusal, refusalOf } from "../support/error-info.ts";
import { callJson } from "../support/raw-call.ts";
import { points } from "../support/requests.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { FIELD_INVALID, refusedUnchanged } from "../support/unchanged.ts";

// Requests that say by its hash which entry they mean.

let server: TestServer;
beforeAll(async () => {
  server = await testServer();
});
afterAll(() => server.stop());

type Guarded = { userId: string; requestId?: string; expectedHash?: Uint8Array };
type Call = (client: Client<typeof PointsService>, request: Guarded) => Promise<object>;

// Of each account: 1 recharge 100, 2 freeze 10, 3 freeze 10, 4 consume 10, 5 recharge 5.
const CALLS: [rpc: string, names: bigint, call: Call][] = [
  ["Settle", 2n, (client, request) => client.settle({ ...request, hold: 2n, cost: points(4n) })],
  [
    "ExtendHold",
    2n,
    (client, request) => client.extendHold({ ...request, hold: 2n, more: points(4n) }),
  ],
  ["Release", 3n, (client, request) => client.release({ ...request, hold: 3n })],
  ["Refund", 4n, (client, request) => client.refund({ ...request, sequence: 4n, points: 1n })],
  ["Expire", 5n, (client, request) => client.expire({ ...request, target: lot(5n) })],
  ["Revoke", 5n, (client, request) => client.revoke({ ...request, target: lot(5n) })],
];

describe.each(CALLS)("%s with an expected_hash", (rpc, names, call) => {
  test("is applied to the entry that has it, and to no other", async () => {
    const { client } = server;
    const userId = rpc;
    const hashes = await account(userId);
    const wrong = await account(`${userId}-lost`);
    const request = { userId, requestId: "job" };
    const refusal = await refusedUnchanged(server, () =>
      refusalOf(call(client, { ...request, expectedHash: wrong.get(names)! })),
    );
    expect(refusal).toMatchObject({
      code: "FailedPrecondition",
      reason: "ENTRY_CHANGED",
      outcome: "NOT_APPLIED",
      metadata: {
        sequence: String(names),
        expected_hash: hex(wrong.get(names)!),
        hash: hex(hashes.get(names)!),
      },
    });

    const meant = { ...request, expectedHash: hashes.get(names)! };
    const done = await call(client, meant);
    expect(done).toMatchObject({ entry: { sequence: 6n }, replayed: false });
    expect(await call(client, meant)).toEqual({ ...done, replayed: true });
    expect(await refusalOf(call(client, request))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  test.each([1, 31, 33])("of %i bytes is FIELD_INVALID", async (length) => {
    const request = { userId: "ada", expectedHash: new Uint8Array(length) };
    const refusal = await refusedUnchanged(server, () => refusalOf(call(server.client, request)));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["expected_hash"] });
  });
});

test.each([points(5n), { case: "due", value: true } as const])(
  "Expire of $case with an expected_hash is FIELD_INVALID, since it names no entry",
  async (target) => {
    const request = { userId: "ada", target, expectedHash: new Uint8Array(32) };
    const refusal = await refusedUnchanged(server, () => refusalOf(server.client.expire(request)));
    expect(refusal).toMatchObject({ ...FIELD_INVALID, fields: ["expected_hash"] });
  },
);

test.each([
  ["in hexadecimal, as the refusal has it", `"${"0f".repeat(32)}"`],
  ["of one letter", `"A"`],
  ["with a letter too many", `"${"A".repeat(45)}"`],
  ["in quotes that is no base64", `"${"*".repeat(43)}="`],
  ["as a list of numbers", "[0]"],
])("JSON with an expected_hash %s is FIELD_INVALID", async (_, text) => {
  const body = `{"userId":"ada","hold":2,"expectedHash":${text}}`;
  const error = await callJson(server.baseUrl, { method: "Release", body });
  expect(readRefusal(error)).toMatchObject({ ...FIELD_INVALID, fields: ["expected_hash"] });
});

test("JSON has the hash in base64, as an entry shows it", async () => {
  const userId = "json";
  const hash = Buffer.from((await account(userId)).get(2n)!).toString("base64");
  const body = JSON.stringify({ userId, hold: 2, expectedHash: hash });
  expect(await callJson(server.baseUrl, { method: "Release", body })).toBeUndefined();
});

test("an operation of a batch is refused alone", async () => {
  const userId = "batch";
  const hashes = await account(userId);
  const settle = (hold: bigint, expectedHash: Uint8Array) =>
    ({ operation: { case: "settle", value: { userId, hold, expectedHash } } }) as const;
  const { results } = await server.client.applyBatch({
    operations: [settle(2n, hashes.get(3n)!), settle(3n, hashes.get(3n)!)],
  });
  expect(results.map(({ result }) => result.case)).toEqual(["error", "settle"]);
});

/** Makes an account, and gives the hashes of its entries by number. */
async function account(userId: string): Promise<ReadonlyMap<bigint, Uint8Array>> {
  const { client } = server;
  await client.recharge({ userId, points: 100n });
  await client.freeze({ userId, cost: points(10n) });
  await client.freeze({ userId, cost: points(10n) });
  await client.consume({ userId, cost: points(10n) });
  await client.recharge({ userId, points: 5n });
  const { entries } = await client.listEntries({ userId });
  return new Map(entries.map(({ sequence, hash }) => [sequence, hash]));
}

function lot(value: bigint) {
  return { case: "lot", value } as const;
}

function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString("hex");
}
