import { rm } from "node:fs/promises";
import {
  create,
  type DescMethod,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ErrorReason } from "../../gen/points/v1/error_reason_pb.ts";
import { METHODS } from "../support/api.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { isPast } from "../support/priced-server.ts";
import { until } from "../support/processes.ts";
import { bySequence, points, ttl, use } from "../support/requests.ts";
import { makeFolder } from "../support/run-folder.ts";
import { testServer, type TestServer } from "../support/server.ts";
import { callWith, FOREIGN_CLIENTS, type ForeignCall, type ForeignOutcome } from "./clients.ts";

// Interoperability: each refusal that a caller can provoke, as foreign gRPC clients see it.

let open: TestServer;
let asking: TestServer;
let folder: string;
beforeAll(async () => {
  folder = await makeFolder("foreign");
  const callers = await writeCallers(folder, {
    reader: { scopes: ["points.read"] },
  });
  [open, asking] = await Promise.all([testServer(), testServer(callers)]);
  await prepare(open);
});
afterAll(async () => {
  await Promise.all([open.stop(), asking.stop(), rm(folder, { recursive: true })]);
});

const method = METHODS;
const ADA = { userId: "ada" };
const huge = "x".repeat(1_100_000);

type Refusal = readonly [reason: string, code: Code, call: ForeignCall, fields?: readonly string[]];

const REFUSALS: readonly Refusal[] = [
  [
    "FIELD_INVALID",
    Code.InvalidArgument,
    call(method.recharge, { userId: "a b", points: 0n }),
    ["user_id", "points"],
  ],
  [
    "PAGE_TOKEN_INVALID",
    Code.InvalidArgument,
    call(method.listLots, { ...ADA, pageToken: "WyJhYmMiXQ" }),
    ["page_token"],
  ],
  ["ACCOUNT_NOT_FOUND", Code.NotFound, call(method.consume, { userId: "eve", cost: points(1n) })],
  [
    "LOT_NOT_FOUND",
    Code.NotFound,
    call(method.expire, { ...ADA, target: { case: "lot", value: 99n } }),
  ],
  ["HOLD_NOT_FOUND", Code.NotFound, call(method.release, { ...ADA, hold: 99n })],
  [
    "ENTRY_CHANGED",
    Code.FailedPrecondition,
    call(method.refund, { ...ADA, sequence: 2n, expectedHash: new Uint8Array(32) }),
  ],
  ["ENTRY_NOT_FOUND", Code.NotFound, call(method.getEntry, { ...ADA, by: bySequence(99n) })],
  [
    "SERVICE_NOT_PRICED",
    Code.NotFound,
    call(method.consume, { ...ADA, cost: use({ service: "nothing" }) }),
  ],
  [
    "REQUEST_ID_REUSED",
    Code.AlreadyExists,
    call(method.consume, { ...ADA, requestId: "r1", cost: points(1n) }),
  ],
  [
    "INSUFFICIENT_POINTS",
    Code.FailedPrecondition,
    call(method.consume, { ...ADA, cost: points(10n ** 9n) }),
  ],
  ["HOLD_CLOSED", Code.FailedPrecondition, call(method.settle, { ...ADA, hold: 3n })],
  ["HOLD_EXPIRED", Code.FailedPrecondition, call(method.settle, { ...ADA, hold: 5n })],
  [
    "HOLD_EXCEEDED",
    Code.FailedPrecondition,
    call(method.settle, { ...ADA, hold: 7n, cost: points(999n) }),
  ],
  [
    "REFUND_EXCEEDS_ENTRY",
    Code.FailedPrecondition,
    call(method.refund, { ...ADA, sequence: 2n, points: 999n }),
  ],
  [
    "REVOKE_EXCEEDS_LOT",
    Code.FailedPrecondition,
    call(method.revoke, { ...ADA, target: { case: "lot", value: 1n }, lotPoints: 10n ** 12n }),
  ],
  ["POLICY_NOT_FOUND", Code.NotFound, call(method.deletePolicy, { ...ADA, name: "none" })],
  [
    "LIMIT_EXCEEDED",
    Code.FailedPrecondition,
    call(method.consume, { userId: "bob", cost: points(1n) }),
  ],
  [
    "NOT_PROJECTED",
    Code.FailedPrecondition,
    call(method.searchEntries, { by: { case: "metadata", value: { key: "no key of it" } } }),
  ],
  ["ENTRY_NOT_REFUNDABLE", Code.FailedPrecondition, call(method.refund, { ...ADA, sequence: 1n })],
  ["TOTAL_TOO_LARGE", Code.OutOfRange, call(method.recharge, { userId: "rich", points: 200n })],
  [
    "MESSAGE_TOO_LARGE",
    Code.ResourceExhausted,
    call(method.recharge, { ...ADA, points: 1n, metadata: { huge } }),
  ],
  [
    "UNIMPLEMENTED",
    Code.Unimplemented,
    { ...call(method.getEntry, ADA), path: "/points.v1.PointsService/Steal" },
  ],
  ["UNIMPLEMENTED", Code.Unimplemented, { ...call(method.getEntry, ADA), path: "/a.b/C" }],
];

const AS_READER = { authorization: `Bearer ${tokenOf("reader")}` };
const REFUSALS_OF_WHO_ASKS: readonly Refusal[] = [
  ["UNAUTHENTICATED", Code.Unauthenticated, call(method.getPriceList, {})],
  [
    "PERMISSION_DENIED",
    Code.PermissionDenied,
    call(method.recharge, { ...ADA, points: 1n }, AS_READER),
  ],
];

/** Reasons of a server that is full, stops or loses its database, of clients, and of streams. */
const NOT_PROVOKED = [
  "UNSPECIFIED",
  "ACCOUNT_FULL",
  "OVERLOADED",
  "RATE_LIMITED",
  "DATABASE_UNAVAILABLE",
  "SHUTTING_DOWN",
  "KEYS_UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "INTERNAL",
  "CURSOR_INVALID",
];

test("the table has every reason except those listed as not provoked", () => {
  const tried = [...REFUSALS, ...REFUSALS_OF_WHO_ASKS].map(([reason]) => reason);
  const names = Object.keys(ErrorReason).filter((name) => Number.isNaN(Number(name)));
  expect([...new Set([...tried, ...NOT_PROVOKED])].toSorted()).toEqual(names.toSorted());
});

const commands = await Promise.all(
  FOREIGN_CLIENTS.map(async ({ name, command }) => ({
    name,
    command: await command().catch(() => undefined),
  })),
);

for (const { name, command } of commands) {
  describe.skipIf(command === undefined)(`${name} receives`, () => {
    test("the code, the reason and the outcome of each refusal", async () => {
      for (const [server, refusals] of [
        [open, REFUSALS],
        [asking, REFUSALS_OF_WHO_ASKS],
      ] as const) {
        const calls = refusals.map(([, , asked]) => asked);
        const outcomes = await callWith(command!, `127.0.0.1:${server.port}`, calls);
        expect(outcomes.map(summaryOf)).toEqual(
          refusals.map(([reason, code, , fields = []]) => ({
            code: Code[code].toLowerCase(),
            domain: "points.v1",
            reason,
            outcome: "NOT_APPLIED",
            fields,
          })),
        );
        expect(outcomes.every(({ message }) => message.length > 0)).toBe(true);
      }
    });

    test("NOT_FOUND without details from Health, for an unknown service", async () => {
      const asked = call(Health.method.check, { service: "nobody" });
      const [outcome] = await callWith(command!, `127.0.0.1:${open.port}`, [asked]);
      const message = 'unknown service "nobody"';
      expect(outcome).toMatchObject({ code: "notfound", message });
      expect(outcome!.details).toHaveLength(0);
    });
  });
}

/** Makes ada's entries above: a charge, a released hold, two more holds, and an expired one. */
async function prepare({ client, database }: TestServer): Promise<void> {
  await client.recharge({ ...ADA, requestId: "r1", points: 1_000n });
  await client.consume({ ...ADA, cost: points(10n) });
  await client.freeze({ ...ADA, cost: points(10n) });
  await client.release({ ...ADA, hold: 3n });
  await client.freeze({ ...ADA, cost: points(10n), expiration: ttl(1) });
  await until("its time has come", () => isPast(database, "hold", "ada", 5n));
  await client.putPolicy({ userId: "bob", policy: SUSPENDED });
  await client.recharge({ userId: "rich", points: 100n });
  const most = 2n ** 53n - 1n - 200n;
  await database.query(
    `update points.account set total_recharged = total_recharged + ${most},
      total_consumed = total_consumed + ${most} where user_id = 'rich'`,
  );
  // The expiry above is booked before it, as entry 6.
  const { hold } = await client.freeze({ ...ADA, cost: points(10n) });
  expect(hold!.number).toBe(7n);
}

const SUSPENDED = {
  name: "suspended",
  rule: { case: "limit", value: { window: { span: { case: "total", value: true } } } },
} as const;

function call<Desc extends DescMethod>(
  { parent, name, input }: Desc,
  request: MessageInitShape<Desc["input"]>,
  metadata: Record<string, string> = {},
): ForeignCall {
  const message = create(input as Desc["input"], request);
  return { path: `/${parent.typeName}/${name}`, request: toBinary(input, message), metadata };
}

function summaryOf({ code, details }: ForeignOutcome) {
  const status = fromBinary(StatusSchema, details);
  const found = <T>(values: readonly (T | undefined)[]) => values.find((one) => one !== undefined);
  const info = found(status.details.map((detail) => anyUnpack(detail, ErrorInfoSchema)));
  const bad = found(status.details.map((detail) => anyUnpack(detail, BadRequestSchema)));
  return {
    code,
    domain: info?.domain,
    reason: info?.reason,
    outcome: info?.metadata["outcome"],
    fields: bad?.fieldViolations.map(({ field }) => field) ?? [],
  };
}
