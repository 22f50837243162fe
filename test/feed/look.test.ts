import { once } from "node:events";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { parseDatabaseUrl } from "../../src/config/database-url.ts";
import { fromTimestamptz } from "../../src/store/driver/instant.ts";
import { openOrm } from "../../src/store/driver/orm.ts";
import { lookForHorizon, readFeedRange } from "../../src/store/reads/feed.ts";
import { testDatabase } from "../support/database.ts";

// PostgreSQL takes a statement's snapshot when its parameters arrive, and its time once it is told to
// run it: a pooler, or a busy machine, may put something between.
test("a look has a time before which all that was committed is in its snapshot", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const line = await executionsHeldBack(database.url);
  const orm = await openOrm(line.url, 1);
  onTestFinished(() => orm.close());
  await lookForHorizon(orm);

  const held = line.holdNext();
  const looking = lookForHorizon(orm);
  const release = await held;
  const [row] = await database.query(
    "select pg_current_xact_id()::text as id, clock_timestamp()::text as time",
  );
  release();
  const { xmax, time } = await looking;
  expect(BigInt(row!["id"] as string)).toBeGreaterThanOrEqual(xmax);
  expect(time).toBeLessThan(fromTimestamptz(row!["time"] as string));
});

// A standby may show a commit before the primary does: a reader then asks the primary too soon.
test("a range of which a transaction is under way is not read", async () => {
  const database = await testDatabase();
  onTestFinished(() => database.close());
  const { epoch, xmax } = await lookForHorizon(database.orm);
  await database.query("begin; select pg_current_xact_id()");
  const read = (to: bigint) =>
    readFeedRange(database.orm, { epoch, from: 0n, to }, { kinds: [], userIdPrefix: "" });
  await expect(read(xmax + 1n)).rejects.toMatchObject({ code: "08006" });
  expect(await read(1n)).toEqual({ items: [], count: 0 });
  await database.query("commit");
});

/** A line to a database that can hold back a message Execute, after all that was sent before it. */
async function executionsHeldBack(to: string) {
  const { host, port } = parseDatabaseUrl(to).hosts[0]!;
  const target = host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  let hold: PromiseWithResolvers<() => void> | undefined;
  const server = net.createServer((client) => {
    const upstream = net.connect(target);
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on("error", () => {});
    client.on("close", () => upstream.destroy());
    void (async () => {
      let rest: Buffer = Buffer.alloc(0);
      let hasStarted = false;
      for await (const chunk of client as AsyncIterable<Buffer>) {
        rest = Buffer.concat([rest, chunk]);
        for (;;) {
          // The first message has no type.
          const head = hasStarted ? 1 : 0;
          if (rest.length < head + 4 || rest.length < head + rest.readUInt32BE(head)) break;
          const length = head + rest.readUInt32BE(head);
          if (hasStarted && rest[0] === "E".charCodeAt(0) && hold !== undefined) {
            const released = Promise.withResolvers<void>();
            await arrived(upstream);
            hold.resolve(released.resolve);
            hold = undefined;
            await released.promise;
          }
          upstream.write(rest.subarray(0, length));
          rest = rest.subarray(length);
          hasStarted = true;
        }
      }
    })().catch(() => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port: here } = server.address() as net.AddressInfo;
  return {
    url: `${to.replace(/@[^/]*/, `@127.0.0.1:${here}`)}?sslmode=disable`,
    /** Resolves when it is held back, with what lets it go. */
    holdNext: () => (hold = Promise.withResolvers<() => void>()).promise,
  };
}

/** Resolves when PostgreSQL has answered all that it was sent: by a Flush it sends its answers. */
async function arrived(upstream: net.Socket): Promise<void> {
  upstream.write(Buffer.from([...Buffer.from("H"), 0, 0, 0, 4]));
  await once(upstream, "data");
  await sleep(100);
}
