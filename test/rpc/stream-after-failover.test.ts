import { join } from "node:path";
import { Readable } from "node:stream";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test } from "vitest";
import type { StreamEntriesResponse } from "../../gen/points/v1/ledger_pb.ts";
import { checkStream, newHeads } from "../../src/client/client.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { type Cluster, copyAsStandby, startCluster } from "../support/cluster.ts";
import { serverOn } from "../support/opened.ts";
import { withDatabase } from "../support/postgres.ts";
import { temporaryFolder } from "../support/processes.ts";
import type { TestServer } from "../support/server.ts";

// A standby lags behind, and is promoted: the newest entries, which a reader has seen, are gone.

test("a reader is told after a promotion what it has seen that the ledger has no more", async () => {
  const folder = await temporaryFolder();
  const [one, two] = [join(folder, "one"), join(folder, "two")];

  const first = await startCluster(one);
  await migrateIn(first);
  const early = await servedBy(first, async ({ client }) => {
    await client.recharge({ userId: "ada", points: 5n });
    await client.recharge({ userId: "bob", points: 5n });
    return caughtUp(client, "0");
  });
  expect(namesOf(early)).toEqual(["ada 1", "bob 1"]);
  await first.stop();
  await copyAsStandby(one, two);

  const again = await startCluster(one);
  const late = await servedBy(again, async ({ client }) => {
    await client.recharge({ userId: "ada", points: 7n });
    return caughtUp(client, early.at(-1)!.cursor);
  });
  expect(namesOf(late)).toEqual(["ada 2"]);
  await again.stop();

  const standby = await startCluster(two);
  onTestFinished(() => standby.stop());
  await standby.query("select pg_promote()");
  await servedBy(standby, async ({ client }) => {
    await client.recharge({ userId: "bob", points: 9n });
    const after = await caughtUp(client, late.at(-1)!.cursor);
    const changes = after.flatMap(({ epochChange }) => epochChange ?? []);
    expect(changes).toMatchObject([
      { endedEpoch: 1n, epoch: 2n },
      { endedEpoch: 1n, epoch: 2n, doubtedFromFeed: 0n },
    ]);
    const { doubtedFromFeed } = changes[0]!;
    const isKept = (feed: bigint) => feed < doubtedFromFeed;
    // What was there before the copy is not in doubt, and what came after it is.
    expect(early.flatMap(({ feeds }) => feeds).every(isKept)).toBe(true);
    expect(late.flatMap(({ feeds }) => feeds).some(isKept)).toBe(false);
    expect(namesOf(after)).toEqual(["bob 2"]);
    expect(after.find(({ entries }) => entries.length > 0)).toMatchObject({ epoch: 2n });

    // So a reader that checks the chains names the entry that is lost, and finds nothing else.
    const verdicts: string[] = [];
    const lost: string[] = [];
    const read = Readable.from([...early, ...late, ...after]);
    for await (const checked of checkStream(read, newHeads())) {
      verdicts.push(...checked.verdicts.map(({ kind }) => kind));
      lost.push(...checked.lost.map(({ userId, sequence }) => `${userId} ${sequence}`));
    }
    expect({ verdicts, lost }).toEqual({
      verdicts: ["begins", "begins", "next", "next"],
      lost: ["ada 2"],
    });

    // Of what came before the cursor of who had not seen them nothing is in doubt; who begins again
    // sees all.
    const spared = await caughtUp(client, early.at(-1)!.cursor);
    const [doubt, last] = spared.flatMap(({ epochChange }) => epochChange ?? []);
    expect(early.flatMap(({ feeds }) => feeds).every((feed) => feed < doubt!.doubtedFromFeed)).toBe(
      true,
    );
    expect(last).toMatchObject({ endedEpoch: 1n, doubtedFromFeed: 0n });
    expect(namesOf(spared)).toEqual(["bob 2"]);
    expect(namesOf(await caughtUp(client, "0"))).toEqual(["ada 1", "bob 1", "bob 2"]);
  });
});

async function migrateIn(cluster: Cluster): Promise<void> {
  const orm = await openOrm(withDatabase(cluster.url, "points"), 2);
  await migrate(orm);
  await orm.close();
}

function namesOf(messages: readonly StreamEntriesResponse[]): string[] {
  const entries = messages.flatMap((message) => message.entries);
  return entries.map(({ userId, sequence }) => `${userId} ${sequence}`);
}

async function servedBy<T>(cluster: Cluster, work: (server: TestServer) => Promise<T>): Promise<T> {
  const orm = await openOrm(withDatabase(cluster.url, "points"), 4);
  const server = await serverOn(orm);
  try {
    return await work(server);
  } finally {
    await server.stop();
    await orm.close();
  }
}

/** The messages from a cursor on, until the stream has sent all that was committed before. */
async function caughtUp(
  client: TestServer["client"],
  cursor: string,
): Promise<StreamEntriesResponse[]> {
  const messages: StreamEntriesResponse[] = [];
  const since = Date.now();
  for await (const message of client.streamEntries({ cursor })) {
    messages.push(message);
    if (message.caughtUpTo !== undefined && timestampMs(message.caughtUpTo) > since) break;
  }
  return messages;
}
