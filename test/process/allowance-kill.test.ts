import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";
import { PolicyService } from "../../gen/points/v1/policies_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { LONG_MS } from "../support/patience.ts";
import {
  type RunningPoints,
  runPoints,
  startPoints,
  temporaryFolder,
} from "../support/processes.ts";

const USERS = Array.from({ length: 100 }, (_, number) => `user-${number}`);
const MONTHS = 2;

test(
  "a server that is killed in the midst of a month's first instant gives each allowance once",
  { timeout: LONG_MS },
  async () => {
    const DATA_DIR = await temporaryFolder();
    const environment = { DATA_DIR, TEST_CLOCK: "1", SWEEP_SECONDS: "1" };
    let server = await startPoints(environment);
    await Promise.all(USERS.map((userId) => putAllowances(server, userId)));
    let killed = 0;
    for (let month = 1; month <= MONTHS; month += 1) {
      expect(await runPoints({ DATA_DIR }, ["clock", "advance", "31d"]).exit).toMatchObject({
        code: 0,
      });
      const { client } = clientsOf(server);
      const calls = USERS.map((userId) => client.getOrCreate({ userId }));
      const settled = Promise.allSettled(calls);
      await Promise.race(calls.map((call) => call.catch(() => sleep(10_000))));
      await sleep(20 * Math.random());
      await server.end("SIGKILL");
      killed += (await settled).filter(({ status }) => status === "rejected").length;
      server = await startPoints(environment);
    }
    expect(killed).toBeGreaterThan(0);

    const { client } = clientsOf(server);
    for (const userId of USERS) {
      await client.getOrCreate({ userId });
      const { entries } = await client.listEntries({ userId, kinds: [EntryKind.RECHARGE] });
      const given = entries.map(({ cause, createTime }) => `${cause} ${createTime!.seconds}`);
      expect(new Set(given).size).toBe(given.length);
      const kept = entries.filter(({ cause }) => cause === "kept");
      // 31 days are a month or more.
      expect(kept.length).toBeGreaterThanOrEqual(1 + MONTHS);
      expect(kept.length).toBeLessThanOrEqual(2 + MONTHS);
      const { account } = await client.getAccount({ userId });
      expect(account!.balance).toBe(7n * BigInt(kept.length) + 100n);
    }
    const verified = await runPoints({ DATA_DIR, TEST_CLOCK: "1" }, ["verify"]).exit;
    expect(verified).toMatchObject({ code: 0, stderr: "" });
    expect((await server.end("SIGTERM")).code).toBe(0);
  },
);

/** One whose points are kept, and one that refills. */
async function putAllowances(server: RunningPoints, userId: string): Promise<void> {
  const { policies } = clientsOf(server);
  const every = { unit: CalendarUnit.MONTH };
  const kept = { every, points: 7n, expiration: { case: "never", value: true } as const };
  const refilled = { every, points: 100n };
  for (const [name, value] of [
    ["kept", kept],
    ["refilled", refilled],
  ] as const) {
    await policies.putPolicy({ userId, policy: { name, rule: { case: "allowance", value } } });
  }
}

function clientsOf({ baseUrl }: RunningPoints) {
  const transport = createGrpcTransport({ baseUrl });
  return {
    client: createClient(PointsService, transport),
    policies: createClient(PolicyService, transport),
  };
}
