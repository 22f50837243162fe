/**
 * Plays a user's day in a video product against a running server, through the generated client:
 * `npm run demo`. POINTS_URL is the address of the server.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import type { Account, Entry } from "../gen/points/v1/account_pb.ts";
import { PointsService } from "../gen/points/v1/points_pb.ts";
import { statementTable } from "../src/cli/entry-table.ts";

const baseUrl = process.env["POINTS_URL"] ?? "http://127.0.0.1:50051";
const userId = `demo-${Date.now().toString(36)}`;

try {
  await playDay(createClient(PointsService, createGrpcTransport({ baseUrl })));
} catch (error) {
  if (!(error instanceof ConnectError)) throw error;
  const reason = error.findDetails(ErrorInfoSchema)[0]?.reason;
  if (reason !== "SERVICE_NOT_PRICED" && error.code !== Code.Unavailable) throw error;
  console.error(
    reason === "SERVICE_NOT_PRICED"
      ? `The demo takes the price list that ships: ${error.rawMessage}.`
      : `There is no server at ${baseUrl}: start one with "npm start".`,
  );
  process.exit(1);
}

async function playDay(points: Client<typeof PointsService>): Promise<void> {
  console.log(`A day of ${userId} at ${baseUrl}\n`);
  await points.getOrCreate({ userId });

  const order = { userId, points: 300n, requestId: "order-7001", metadata: note("pack of 300") };
  tell("09:00", "buys a pack of 300 that never expires", await points.recharge(order));
  const welcome = { userId, points: 50n, expiration: living(60n), metadata: note("welcome gift") };
  tell("09:01", "gets 50 as a welcome, for a minute", await points.recharge(welcome));

  const charge = (requestId: string, service: string, seconds?: bigint) => {
    const cost = { case: "usage", value: { service, ...lasting(seconds) } } as const;
    return points.consume({ userId, requestId, cost, metadata: note(service) });
  };
  tell("10:00", "has a script written, from what expires first", await charge("job-1", "script"));
  tell("10:20", "clones a voice, from both lots", await charge("job-2", "voice_clone"));
  const again = await charge("job-2", "voice_clone");
  tell("10:21", "the network failed, so the charge is sent again", again);
  tell("10:30", "has 37 seconds of speech made", await charge("job-3", "tts", 37n));
  await charge("job-4", "voice_clone").catch((error: unknown) => {
    tellRefusal("11:00", "wants another voice", error);
  });

  await makeVideos(points);
  await speakLive(points);

  const prize = { userId, points: 80n, expiration: living(1n), metadata: note("prize") };
  tell("13:00", "wins 80 points for one second", await points.recharge(prize));
  await sleep(1_100);
  const expired = await points.expire({ userId, target: { case: "due", value: true } });
  tell("13:01", "does not use them in time", expired);

  const { entries } = await points.listEntries({ userId, pageSize: 100 });
  console.log(`\n${statementTable(entries.toReversed())}\n\n${summary(expired.account!)}`);
  console.log(`\nIn the console: ${baseUrl}/console/account?user=${userId}`);
}

/** Makes a video that is settled by its seconds, and one that fails after it was paid for. */
async function makeVideos(points: Client<typeof PointsService>): Promise<void> {
  const video = (seconds: bigint) =>
    ({ case: "usage", value: { service: "video", ...lasting(seconds) } }) as const;
  const estimate = { userId, requestId: "job-5", cost: video(30n), metadata: note("video, 30 s?") };
  const frozen = await points.freeze(estimate);
  tell("12:00", "has a video made: 30 seconds are set aside", frozen);
  const made = { userId, hold: frozen.hold!.number, cost: video(24n), metadata: note("video") };
  tell("12:04", "it became 24 seconds, the rest goes back", await points.settle(made));

  const second = { userId, requestId: "job-6", cost: video(10n), metadata: note("video") };
  const { entry, ...paid } = await points.consume(second);
  tell("12:10", "has another one made, 10 seconds", { entry, ...paid });
  const failed = { userId, sequence: entry!.sequence, metadata: note("video failed") };
  tell("12:11", "it fails, and is refunded", await points.refund(failed));
}

/**
 * Speaks for as long as there are points for it: while one part is spoken, the points of the next are
 * set aside; each part is paid once it is spoken, and the speech is cut where no more can be set aside.
 */
async function speakLive(points: Client<typeof PointsService>): Promise<void> {
  const part = { case: "usage", value: { service: "tts", ...lasting(25n) } } as const;
  const live = { userId, metadata: note("live speech") };
  const frozen = await points.freeze({ ...live, requestId: "job-7", cost: part });
  tell("12:30", "speaks live: 25 seconds are set aside", frozen);
  const hold = frozen.hold!.number;
  for (let number = 1, isGoingOn = true; isGoingOn; number += 1) {
    const more = { ...live, requestId: `job-7-more-${number}`, hold, more: part };
    isGoingOn = await points.extendHold(more).then(
      () => true,
      (error: unknown) => {
        tellRefusal("12:31", "wants to speak on", error);
        return false;
      },
    );
    const spoken = { ...live, requestId: `job-7-part-${number}`, hold, cost: part };
    const paid = await points.settle({ ...spoken, keepOpen: isGoingOn });
    tell("12:31", isGoingOn ? "25 seconds are spoken" : "is cut after the last 25 seconds", paid);
  }
}

function note(what: string): Record<string, string> {
  return { for: what };
}

function living(seconds: bigint) {
  return { case: "ttl", value: { seconds, nanos: 0 } } as const;
}

function lasting(seconds: bigint | undefined) {
  if (seconds === undefined) return {};
  return { amount: { case: "duration", value: { seconds, nanos: 0 } } } as const;
}

type Answer = {
  entry?: Entry | undefined;
  account?: Account | undefined;
  replayed: boolean;
};

function tell(time: string, what: string, { account, replayed }: Answer): void {
  const repeated = replayed ? " (answered before: nothing was charged)" : "";
  const frozen = account?.frozen ? `, ${account.frozen} frozen` : "";
  console.log(`${time}  ${what.padEnd(50)} balance ${account?.balance}${frozen}${repeated}`);
}

function tellRefusal(time: string, what: string, error: unknown): void {
  const info = ConnectError.from(error).findDetails(ErrorInfoSchema)[0];
  if (info === undefined) throw error;
  const { balance, shortfall } = info.metadata;
  const refused = `refused: ${info.reason}, short of ${shortfall}`;
  console.log(`${time}  ${what.padEnd(50)} balance ${balance} (${refused})`);
}

function summary(account: Account): string {
  const { balance, frozen, totalConsumed, totalExpired, totalRevoked } = account;
  const { totalRecharged, totalRefunded, debt } = account;
  return (
    `balance ${balance} + frozen ${frozen} + consumed ${totalConsumed} + expired ${totalExpired} + ` +
    `revoked ${totalRevoked} = recharged ${totalRecharged} + refunded ${totalRefunded} + debt ${debt}`
  );
}
