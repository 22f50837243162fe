import { strict as assert } from "node:assert";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type ApplyRequest,
  ApplyRequestSchema,
  type createPolicyClient,
  EntryKindSchema,
  type OperationResult,
  readJournal,
  refusalOf,
  verifyJournal,
} from "points/client";
import { type Clients, topUps } from "./top-up.js";

type PointsClient = Clients["points"];
type PolicyClient = ReturnType<typeof createPolicyClient>;

const DAY_MS = 86_400_000;

/** Plays the scenario of all clients, and prints the lines of clients/scenario.txt. */
export async function playScenario(
  clients: Clients & { policies: PolicyClient },
  { streamsBothWays }: { streamsBothWays: boolean },
): Promise<void> {
  const { points } = clients;
  const userId = `typescript-${randomUUID()}`;
  await recharge(points, userId);
  await consumeTwice(points, userId);
  await beRefused(points, userId);
  await freezeAndSettle(points, userId);
  await settleInParts(points, userId);
  await readStatement(points, userId);
  await watchUntilDeadline(points, userId);
  await apply(points, userId, streamsBothWays);
  await topUp(clients, userId);
  await verify(points, userId);
}

async function recharge(points: PointsClient, userId: string): Promise<void> {
  const { account, created } = await points.getOrCreate({ userId });
  console.log(`create: created ${created}, balance ${account?.balance}`);

  const answer = await points.recharge({
    userId,
    requestId: "order-1",
    points: 100n,
    expiration: { case: "ttl", value: durationFromMs(30 * DAY_MS) },
  });
  assert(answer.entry?.expireTime && answer.entry.createTime);
  const lifeMs = timestampMs(answer.entry.expireTime) - timestampMs(answer.entry.createTime);
  console.log(
    `recharge: lot ${answer.entry.sequence} of ${answer.entry.points} for ${lifeMs / DAY_MS} days, ` +
      `balance ${answer.account?.balance}`,
  );
}

async function consumeTwice(points: PointsClient, userId: string): Promise<void> {
  for (const step of ["consume", "retry"]) {
    const { entry, account, replayed } = await points.consume({
      userId,
      requestId: "job-1",
      cost: { case: "points", value: 30n },
      metadata: { for: "script", by: "Zoë" },
    });
    console.log(
      `${step}: entry ${entry?.sequence} of ${entry?.points}, balance ${account?.balance}, ` +
        `replayed ${replayed}`,
    );
  }
}

async function beRefused(points: PointsClient, userId: string): Promise<void> {
  const cost = { case: "points", value: 1_000n } as const;
  const refusal = await points.consume({ userId, cost }).then(() => undefined, refusalOf);
  assert(refusal?.reason === "INSUFFICIENT_POINTS");
  const { reason, outcome, balance, required, shortfall } = refusal;
  assert.equal(balance + shortfall, required);
  console.log(
    `refused: ${reason}, balance ${balance}, required ${required}, shortfall ${shortfall}, ${outcome}`,
  );
}

async function freezeAndSettle(points: PointsClient, userId: string): Promise<void> {
  const { hold, account } = await points.freeze({ userId, cost: { case: "points", value: 50n } });
  assert(hold && account);
  console.log(`freeze: hold ${hold.number}, balance ${account.balance}, frozen ${account.frozen}`);

  const cost = { case: "points", value: 45n } as const;
  const settled = await points.settle({ userId, hold: hold.number, cost });
  console.log(
    `settle: ${settled.entry?.points} spent, ${settled.entry?.returned} returned, ` +
      `balance ${settled.account?.balance}, frozen ${settled.account?.frozen}`,
  );
}

async function settleInParts(points: PointsClient, userId: string): Promise<void> {
  const of = (value: bigint) => ({ case: "points", value }) as const;
  const { number: hold } = (await points.freeze({ userId, cost: of(10n) })).hold!;
  const part = await points.settle({ userId, hold, cost: of(4n), keepOpen: true });
  const extended = await points.extendHold({ userId, hold, more: of(5n) });
  const { entry, account } = await points.settle({ userId, hold });
  console.log(
    `parts: ${part.entry?.points} spent, kept open ${part.entry?.keptOpen}, ` +
      `extended to ${extended.hold?.points}, ${entry?.points} spent, ` +
      `balance ${account?.balance}, frozen ${account?.frozen}`,
  );
}

async function readStatement(points: PointsClient, userId: string): Promise<void> {
  const { entries, nextPageToken } = await points.listEntries({ userId, pageSize: 3 });
  const lines = entries.map(
    ({ sequence, kind, points: moved }) =>
      `${sequence} ${EntryKindSchema.value[kind]?.localName} ${moved}`,
  );
  console.log(`statement: ${lines.join(", ")}, more ${nextPageToken !== ""}`);
}

async function watchUntilDeadline(points: PointsClient, userId: string): Promise<void> {
  try {
    for await (const { account } of points.watchAccount({ userId }, { timeoutMs: 1_000 })) {
      console.log(`watch: balance ${account?.balance}`);
    }
    assert.fail("the stream ended before its deadline");
  } catch (error) {
    assert(error instanceof ConnectError && error.code === Code.DeadlineExceeded, String(error));
    console.log("deadline: DEADLINE_EXCEEDED");
  }
}

/** fetch has no bidirectional streams; ApplyBatch then takes the same operations. */
async function apply(
  points: PointsClient,
  userId: string,
  streamsBothWays: boolean,
): Promise<void> {
  const requests: ApplyRequest[] = [
    create(ApplyRequestSchema, {
      tag: "a",
      operation: { operation: { case: "recharge", value: { userId, points: 10n } } },
    }),
    create(ApplyRequestSchema, {
      tag: "b",
      operation: {
        operation: { case: "consume", value: { userId, cost: { case: "points", value: 5n } } },
      },
    }),
    create(ApplyRequestSchema, {
      tag: "c",
      operation: { operation: { case: "release", value: { userId, hold: 99n } } },
    }),
  ];

  const told: string[] = [];
  if (streamsBothWays) {
    for await (const { tag, result } of points.apply(sendAll(requests))) {
      told.push(`${tag} ${resultText(result)}`);
    }
  } else {
    const operations = requests.flatMap(({ operation }) => operation ?? []);
    const { results } = await points.applyBatch({ operations });
    for (const [i, result] of results.entries()) {
      told.push(`${requests[i]?.tag} ${resultText(result)}`);
    }
  }
  console.log(`apply: ${told.join(", ")}`);
}

/** As after a crash before its cursor was stored, the second one begins where the first one did. */
async function topUp(
  { policies, ...clients }: Clients & { policies: PolicyClient },
  userId: string,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "points-"));
  const cursorFile = join(folder, "cursor");
  for await (const _ of topUps(clients, cursorFile, userId)) break;
  const cursor = await readFile(cursorFile, "utf8");

  const rule = { case: "alert", value: { below: 10n } } as const;
  await policies.putPolicy({ userId, policy: { name: "low", rule } });
  const cost = { case: "points", value: 10n } as const;
  const { entry } = await clients.points.consume({ userId, cost });
  console.log(`alert: entry ${entry?.sequence}, balance ${entry?.balanceAfter}, ${entry?.alerts}`);

  for (const step of ["top up", "again"]) {
    await writeFile(cursorFile, cursor);
    for await (const [answer] of topUps(clients, cursorFile, userId)) {
      if (answer === undefined) continue;
      const { entry: made, account, replayed } = answer;
      console.log(
        `${step}: entry ${made?.sequence} of ${made?.points}, balance ${account?.balance}, ` +
          `replayed ${replayed}`,
      );
      break;
    }
  }
  await rm(folder, { recursive: true });
}

async function verify(points: PointsClient, userId: string): Promise<void> {
  const journal = await readJournal(points, userId);
  await verifyJournal(journal);
  console.log(`verify: ${journal.entries.length} entries, chain intact`);
}

async function* sendAll(requests: readonly ApplyRequest[]): AsyncGenerator<ApplyRequest> {
  yield* requests;
}

function resultText(result: OperationResult | undefined): string {
  const answer = result?.result;
  assert(answer?.case !== undefined);
  if (answer.case === "error") return refusalOf(answer.value)?.reason ?? answer.value.message;
  return `balance ${answer.value.account?.balance}`;
}
