/**
 * A day of the product that Points comes from, played against the running server through the
 * generated client: `npm run demo`. POINTS_URL says where the server is.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { type Account, type Entry, EntryKind } from "../gen/points/v1/account_pb.ts";
import { PointsService } from "../gen/points/v1/points_pb.ts";

const baseUrl = process.env["POINTS_URL"] ?? "http://127.0.0.1:50051";
const userId = `demo-${Date.now().toString(36)}`;
const entries = new Map<bigint, Entry>();

const SIGNS = { [EntryKind.RECHARGE]: "+", [EntryKind.CONSUME]: "-", [EntryKind.EXPIRE]: "-" };
const NAMES = {
  [EntryKind.RECHARGE]: "recharge",
  [EntryKind.CONSUME]: "consume",
  [EntryKind.EXPIRE]: "expire",
};

try {
  await playDay(createClient(PointsService, createGrpcTransport({ baseUrl })));
} catch (error) {
  if (!(error instanceof ConnectError) || error.code !== Code.Unavailable) throw error;
  console.error(`There is no server at ${baseUrl}: start one with "npm start".`);
  process.exit(1);
}

async function playDay(points: Client<typeof PointsService>): Promise<void> {
  console.log(`A day of ${userId} at ${baseUrl}\n`);
  await points.getOrCreate({ userId });

  const bought = { userId, points: 300n, requestId: "order-7001", metadata: note("pack of 300") };
  tell("09:00", "buys a pack of 300 that never expires", await points.recharge(bought));
  tell(
    "09:01",
    "gets 50 as a welcome, for two seconds",
    await points.recharge({
      userId,
      points: 50n,
      expiration: { case: "ttl", value: { seconds: 2n, nanos: 0 } },
      metadata: note("welcome gift"),
    }),
  );

  const charge = (requestId: string, cost: bigint, what: string) =>
    points.consume({
      userId,
      requestId,
      cost: { case: "points", value: cost },
      metadata: note(what),
    });
  tell("10:00", "has a script written: 5, of what expires first", await charge("job-1", 5n, "script"));
  tell("10:20", "clones a voice: 200, from both lots", await charge("job-2", 200n, "voice clone"));
  const again = await charge("job-2", 200n, "voice clone");
  tell("10:21", "the network failed, so the charge is sent again", again);
  tell("10:30", "has 37 seconds of speech made: 37", await charge("job-3", 37n, "speech, 37 s"));
  await charge("job-4", 200n, "voice clone").catch((error: unknown) => {
    tellRefusal("11:00", "wants another voice", error);
  });

  const ttl = { seconds: 1n, nanos: 0 };
  const prize = { userId, points: 80n, expiration: { case: "ttl", value: ttl } } as const;
  const won = await points.recharge({ ...prize, metadata: note("prize") });
  tell("12:00", "wins 80 points for one second", won);
  await sleep(1_100);
  const expired = await points.expire({ userId, target: { case: "due", value: true } });
  tell("12:01", "does not use them in time", expired);

  console.log(`\n${statement([...entries.values()])}\n\n${summary(expired.account!)}`);
}

function note(what: string): Record<string, string> {
  return { for: what };
}

type Answer = {
  entry?: Entry | undefined;
  account?: Account | undefined;
  replayed: boolean;
};

function tell(time: string, what: string, { entry, account, replayed }: Answer): void {
  if (entry !== undefined) entries.set(entry.sequence, entry);
  const repeated = replayed ? " (answered before: nothing was charged)" : "";
  console.log(`${time}  ${what.padEnd(52)} balance ${account?.balance}${repeated}`);
}

function tellRefusal(time: string, what: string, error: unknown): void {
  const info = ConnectError.from(error).findDetails(ErrorInfoSchema)[0];
  if (info === undefined) throw error;
  const { balance, shortfall } = info.metadata;
  console.log(
    `${time}  ${what.padEnd(52)} balance ${balance} (refused: ${info.reason}, short of ${shortfall})`,
  );
}

/** The entries as a table: one line each, numbers aligned to the right. */
function statement(journal: readonly Entry[]): string {
  const header = ["#", "what", "for", "points", "balance", "lots"];
  const rows = journal.map((entry) => {
    const kind = entry.kind as keyof typeof NAMES;
    return [
      String(entry.sequence),
      NAMES[kind],
      entry.metadata["for"] ?? "",
      `${SIGNS[kind]}${entry.points}`,
      String(entry.balanceAfter),
      entry.allocations.map(({ lot, points }) => `${points} of #${lot}`).join(", "),
    ];
  });
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const toRight = new Set([0, 3, 4]);
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        toRight.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [line(header), rule, ...rows.map(line)].join("\n");
}

function summary(account: Account): string {
  const { balance, totalConsumed, totalExpired, totalRecharged } = account;
  return (
    `balance ${balance} + consumed ${totalConsumed} + expired ${totalExpired}` +
    ` = recharged ${totalRecharged}`
  );
}
