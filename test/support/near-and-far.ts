import { rm } from "node:fs/promises";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { openOrm, type Orm } from "../../src/store/driver/orm.ts";
import { migrate } from "../../src/store/schema/migrate.ts";
import { startProxy } from "../torture/deployment/proxy.ts";
import { until } from "./processes.ts";
import { makeFolder } from "./run-folder.ts";
import { testServer, type TestServer } from "./server.ts";
import { type Replicated, startReplicated } from "./standby.ts";

/** Two servers on one primary: `near` reads from it, and `far` from its standby. */
export type NearAndFar = {
  readonly near: TestServer;
  readonly far: TestServer;
  readonly replicated: Replicated;
  /** A pool to the primary, and one to the standby. */
  readonly primary: Orm;
  readonly standby: Orm;
  /** What leads to the standby. */
  readonly standbyUrl: string;
  /** Cuts what leads to the standby, until `mend`. */
  cut(): void;
  mend(): void;
  /** Pauses the standby's replay, until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
};

/** Starts both. On a slow machine the standby may count as away for a moment: see `lagging`. */
export async function startNearAndFar(name: string): Promise<NearAndFar> {
  const folder = await makeFolder(name);
  const replicated = await startReplicated(folder, { fsync: "off", autovacuum: "off" });
  const primary = await openOrm(replicated.url(), 8);
  await migrate(primary);
  let isCut = false;
  const line = await startProxy(() => {
    const path = isCut ? undefined : replicated.standbySocket();
    return path === undefined ? undefined : { path };
  });
  const standbyUrl = `postgresql://points@127.0.0.1:${line.port}/points`;
  const standby = await openOrm(standbyUrl, 8);
  const database = { orm: primary, url: "", query: async () => [], close: async () => {} };
  const near = await testServer({}, database);
  const far = await testServer({}, { ...database, standby });
  return {
    near,
    far,
    replicated,
    primary,
    standby,
    standbyUrl,
    cut() {
      isCut = true;
      line.reset();
    },
    mend() {
      isCut = false;
    },
    async pause() {
      await replicated.queryStandby("select pg_wal_replay_pause()");
      await until("it is paused", async () => {
        const [is] = await replicated.queryStandby("select pg_get_wal_replay_pause_state() as is");
        return is!["is"] === "paused";
      });
    },
    async resume() {
      await replicated.queryStandby(
        "select case when pg_is_in_recovery() then pg_wal_replay_resume() end",
      );
    },
    async stop() {
      await Promise.all([near.stop(), far.stop()]);
      await Promise.all([primary.close(), standby.close()]);
      await line.close();
      await replicated.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** An answer of the standby, which is not always used, and lags. */
export async function lagging<Page extends { asOf?: Timestamp | undefined }>(
  call: () => Promise<Page>,
  fits: (page: Page) => boolean = () => true,
): Promise<Page> {
  let page: Page | undefined;
  await until("the standby answers so", async () => {
    page = await call();
    return page.asOf !== undefined && fits(page);
  });
  return page!;
}

/** Lists of so many entries. */
export function ofAtLeast(count: number) {
  return ({ entries }: { readonly entries: readonly Entry[] }) => entries.length >= count;
}
