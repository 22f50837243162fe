import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { startPoints } from "../../bench/servers.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { SCOPES } from "../../src/auth/caller.ts";
import { startEmbedded } from "../../src/postgres/embedded/start.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { makeTestClock, TEST_CLOCK_SCHEMA } from "../../src/store/driver/test-clock.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { tokenOf, writeCallers } from "../support/callers.ts";
import { tellStory } from "./story.ts";

/** The caller of the story's pictures, who may do everything. */
export const PERSON = "support";

/** The settings by which a server shows all of the story. */
export const STORY_SETTINGS = {
  PROJECT: "on",
  SEARCH_KEYS: "order,campaign,ticket,project",
  CONSOLE_LABEL: "orange:demo",
};

/**
 * Starts a server process on a ledger of its own, whose clock stands at the story's now when it begins,
 * and waits until it has summed up all of the story.
 *
 * @param folder a new one, for all that it writes
 * @returns its address
 */
export async function serveStory(folder: string, now: Date): Promise<string> {
  const DATA_DIR = join(folder, "data");
  const postgres = await startEmbedded(DATA_DIR, { fsync: "off" });
  await writeStory(postgres.url, now);
  await postgres.stop();
  const { url } = await startPoints("", {
    ...(await writeCallers(folder, { [PERSON]: { scopes: [...SCOPES] } })),
    DATA_DIR,
    TEST_CLOCK: "1",
    ...STORY_SETTINGS,
    ADMIN_LISTEN: "off",
    LOG_LEVEL: "error",
  });
  await summedUp(url, now);
  return url;
}

async function writeStory(databaseUrl: string, now: Date): Promise<void> {
  const orm = await openOrm(databaseUrl, 4, { testClock: true });
  await migrate(orm);
  const em = orm.em.fork();
  await makeTestClock(em);
  // A clock for tests goes forward alone, but here nothing has happened yet.
  await em.execute(`alter table ${TEST_CLOCK_SCHEMA}.clock drop constraint clock_ahead_check`);
  await em.execute(
    `update ${TEST_CLOCK_SCHEMA}.clock set ahead = ?::timestamptz - pg_catalog.clock_timestamp()`,
    [now.toISOString()],
  );
  await tellStory(orm, now.getTime());
  await orm.close();
}

/** Asks until the sums and the overview are of the story's now. */
export async function summedUp(baseUrl: string, now: Date): Promise<void> {
  const ledger = createClient(LedgerService, transportOf(baseUrl));
  for (;;) {
    try {
      const { caughtUpTo } = await ledger.summarize({});
      await ledger.getOverview({});
      if (caughtUpTo !== undefined && timestampDate(caughtUpTo) >= now) return;
    } catch (error) {
      const { code } = ConnectError.from(error);
      if (code !== Code.FailedPrecondition && code !== Code.Unavailable) throw error;
    }
    await sleep(200);
  }
}

function transportOf(baseUrl: string) {
  const authenticate: Interceptor = (next) => (request) => {
    request.header.set("authorization", `Bearer ${tokenOf(PERSON)}`);
    return next(request);
  };
  return createGrpcTransport({ baseUrl, interceptors: [authenticate] });
}
