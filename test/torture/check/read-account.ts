import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Account, Entry, Hold, Lot } from "../../../gen/points/v1/account_pb.ts";
import type { GetEntryResponse } from "../../../gen/points/v1/points_pb.ts";
import type { Points } from "../deployment/targets.ts";
import type { World } from "./check.ts";

/** A consistent snapshot of an account as the API shows it. */
export type Reading = {
  readonly account: Account;
  /** Whether the reading created the account. */
  readonly created: boolean;
  /** Its whole journal, oldest first. */
  readonly entries: readonly Entry[];
  /** What GetEntry shows of a random entry; undefined without entries. */
  readonly one: GetEntryResponse | undefined;
  readonly lots: readonly Lot[];
  readonly holds: readonly Hold[];
  /** When the last GetOrCreate was sent, which books everything due: ms of `performance.now()`. */
  readonly asked: number;
  /** When the reading was complete. */
  readonly moment: number;
};

/** An account could not be read within 90 seconds. */
export class Unreadable extends Error {}

const PATIENCE_MS = 90_000;
const PAUSE_MS = 100;
const PAGE_SIZE = 1_000;
const CALL = { timeoutMs: 10_000 };

/**
 * Reads an account with optimistic retries, until neither it nor the clock changed meanwhile:
 * points past their expiry are shown as expired, even if the clock goes back before they are
 * booked. Readings that a promotion may take back are discarded.
 *
 * @param client gives a client of a server that is probably up
 * @throws {Unreadable} after 90 seconds
 */
export async function readAccount(
  client: () => Points,
  userId: string,
  { clock, doubts }: Pick<World, "clock" | "doubts">,
): Promise<Reading> {
  let last: unknown = "it changes all the time";
  let created = false;
  for (const until = performance.now() + PATIENCE_MS; performance.now() < until;) {
    const start = performance.now();
    try {
      const points = client();
      const before = await points.getOrCreate({ userId }, CALL);
      created ||= before.created;
      const entries = await allEntries(points, userId);
      const lots = await allPages(async (pageToken) => {
        const page = await points.listLots({ userId, pageToken, pageSize: PAGE_SIZE }, CALL);
        return [page.lots, page.nextPageToken];
      });
      const holds = await allPages(async (pageToken) => {
        const page = await points.listHolds({ userId, pageToken, pageSize: PAGE_SIZE }, CALL);
        return [page.holds, page.nextPageToken];
      });
      const one = entries[Math.floor(Math.random() * entries.length)];
      const again = one && (await points.getEntry({ userId, by: nameOf(one) }, CALL));
      const asked = performance.now();
      const { account } = await points.getOrCreate({ userId }, CALL);
      if (account === undefined) throw new Error("GetOrCreate answers without an account");
      const moment = performance.now();
      if (!doubts.isSure(start, moment)) {
        await sleep(PAUSE_MS);
      } else if (account.sequence === before.account?.sequence && clock.isSteady(start)) {
        return { account, created, entries, one: again, lots, holds, asked, moment };
      }
    } catch (error) {
      last = error;
      await sleep(PAUSE_MS);
    }
  }
  throw new Unreadable(`${userId} could not be read: ${String(last)}`);
}

/** By its request id, if it has one. */
function nameOf({ requestId, sequence }: Entry) {
  if (requestId !== "") return { case: "requestId", value: requestId } as const;
  return { case: "sequence", value: sequence } as const;
}

async function allEntries(points: Points, userId: string): Promise<Entry[]> {
  const newestFirst = await allPages<Entry>(async (pageToken) => {
    const page = await points.listEntries({ userId, pageToken, pageSize: PAGE_SIZE }, CALL);
    return [page.entries, page.nextPageToken];
  });
  return newestFirst.toReversed();
}

async function allPages<T>(read: (pageToken: string) => Promise<[T[], string]>): Promise<T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const [some, next] = await read(pageToken);
    all.push(...some);
    pageToken = next;
  } while (pageToken !== "");
  return all;
}
