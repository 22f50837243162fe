import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { run } from "./run.ts";

const SERVICE = "points.v1.PointsService";
const POLICIES = "points.v1.PolicyService";
const LEDGER = "points.v1.LedgerService";
const CALL_MAX_MS = 20_000;
const BUILD_MAX_MS = 60_000;
const BUILD_LOOK_MS = 250;

/**
 * Calls every RPC once with grpcurl, which reads the contract by reflection.
 *
 * @param grpcurl the program
 * @param address of the server, host:port
 * @param token of a caller who may do everything
 */
export async function playGrpcurl(grpcurl: string, address: string, token: string): Promise<void> {
  const flags = ["-plaintext", "-H", `authorization: Bearer ${token}`];
  const ask = (...args: string[]) =>
    run({ program: grpcurl, args: [...flags, ...args], cwd: ".", timeoutMs: CALL_MAX_MS });
  const call = async (rpc: string, request: object) => {
    for (const deadline = Date.now() + BUILD_MAX_MS; ; await sleep(BUILD_LOOK_MS)) {
      const said = await ask("-d", JSON.stringify(request), address, rpc);
      if (said.code === 0) return;
      // What servers build from the journal is there soon after their start.
      if (said.stderr.includes("NOT_PROJECTED") && Date.now() < deadline) continue;
      throw new Error(`${rpc} ended with ${said.code}:\n${said.stderr}`);
    }
  };

  const listed = await Promise.all(
    [SERVICE, POLICIES, LEDGER].map((name) => ask(address, "list", name)),
  );
  const offered = listed.flatMap(({ stdout }) => stdout.trim().split("\n")).toSorted();
  const userId = `grpcurl-${randomUUID()}`;
  const calls = callsOf(userId);
  const streams = streamsOf(userId);
  const called = [...calls, ...streams].map(([rpc]) => rpc.replace("/", "."));
  if (!isDeepStrictEqual(offered, [...new Set(called)].toSorted())) {
    throw new Error(
      `not all RPCs are called, or some that are none; the server has\n${offered.join(" ")}`,
    );
  }

  for (const [rpc, request] of calls) await call(rpc, request);
  await call("grpc.health.v1.Health/Check", { service: SERVICE });

  // A stream ends with its caller's deadline.
  for (const [rpc, request] of streams) {
    const data = JSON.stringify(request);
    const { stdout, stderr } = await ask("-max-time", "3", "-d", data, address, rpc);
    if (!stdout.includes(userId) || !stderr.includes("DeadlineExceeded")) {
      throw new Error(`${rpc} said nothing of the user until its deadline:\n${stdout}${stderr}`);
    }
  }
}

/** Calls whose first message says something of the user. */
function streamsOf(userId: string): [rpc: string, request: object][] {
  return [
    [`${SERVICE}/WatchAccount`, { userId }],
    [`${LEDGER}/StreamEntries`, { cursor: "0", userIdPrefix: userId, maxEntries: 2 }],
  ];
}

/** Calls in an order in which each succeeds on a new account. The comments are entries' numbers. */
function callsOf(userId: string): [rpc: string, request: object][] {
  const operation = { consume: { userId, points: 1 } };
  const policy = { name: "credit", creditLine: { points: 5 } };
  const calls: [rpc: string, request: object][] = [
    ["GetOrCreate", { userId }],
    ["Recharge", { userId, points: 100, ttl: "3600s" }], // 1
    ["Consume", { userId, points: 10 }], // 2
    ["Expire", { userId, points: 1 }], // 3
    ["Freeze", { userId, points: 20 }], // 4
    ["Settle", { userId, hold: 4, points: 15 }], // 5
    ["Freeze", { userId, points: 20 }], // 6
    ["Release", { userId, hold: 6 }], // 7
    ["Refund", { userId, sequence: 2 }], // 8
    ["Revoke", { userId, lot: 1, lotPoints: 5 }], // 9
    ["Freeze", { userId, points: 20 }], // 10
    ["ExtendHold", { userId, hold: 10, points: 5, ttl: "7200s" }], // 11
    ["Settle", { userId, hold: 10, points: 15, keepOpen: true }], // 12
    ["Quote", { userId, usage: { service: "script" } }],
    ["GetPriceList", {}],
    ["ApplyBatch", { operations: [operation] }],
    ["Apply", { tag: "a", operation }],
    ["GetAccount", { userId }],
    ["GetEntry", { userId, sequence: 1 }],
    ["ListEntries", { userId, pageSize: 2 }],
    ["ListLots", { userId }],
    ["ListHolds", { userId, openOnly: true }],
    ["GetForecast", { userId, until: "2999-12-31T00:00:00Z" }],
  ];
  return [
    ...calls.map(([rpc, request]): [string, object] => [`${SERVICE}/${rpc}`, request]),
    [`${POLICIES}/PutPolicy`, { userId, policy }],
    [`${POLICIES}/ListPolicies`, { userId }],
    [`${POLICIES}/DeletePolicy`, { userId, name: policy.name }],
    [`${LEDGER}/GetLedger`, {}],
    [`${LEDGER}/ListAccounts`, { userIdPrefix: userId }],
    [`${LEDGER}/ListExpiring`, { userIdPrefix: userId, within: "86400s" }],
    [`${LEDGER}/SearchEntries`, { actor: userId }],
    [`${LEDGER}/Summarize`, { userId, groupBy: ["GROUP_BY_KIND"] }],
    [`${LEDGER}/GetOverview`, {}],
  ];
}
