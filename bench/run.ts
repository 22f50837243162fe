import { hasPgbench, runPgbench } from "./baselines/pgbench.ts";
import { check, mark } from "./check.ts";
import type { Cluster, Database } from "./cluster.ts";
import { type Job, type LoadResult, runLoad } from "./load/job.ts";
import { type Costs, difference, type Measurement, startCosts } from "./measure.ts";
import { cpuMicrosOfEndedChildren } from "./processes.ts";
import type { Row } from "./rows.ts";
import type { Server } from "./servers.ts";

/** The cluster, database and servers of rows, and the timing. */
export type Place = {
  readonly cluster: Cluster;
  readonly database: Database;
  /** Gives the server of a row; rows of the SQL function need none. */
  readonly serverFor: (row: Row) => Promise<Server>;
  readonly timing: Timing;
};

/** The warm-up before the time that counts, and that time. pgbench takes whole seconds. */
export type Timing = { readonly warmSeconds: number; readonly seconds: number };

/** A repeat of a row. */
export type Repeat = {
  readonly measured: Measurement;
  /** The number of answers with an entry, including warm-up and end. */
  readonly entries: number;
  /** The errors that the checks found; none if all is well. */
  readonly wrong: readonly string[];
};

let loads = 0;

/** Runs a row once, measures it, and checks the ledger afterwards. */
export async function runRow(place: Place, row: Row): Promise<Repeat> {
  const schema = row.engine === "points" ? "points" : "baseline";
  const before = await mark(place.database, schema);
  const { measured, entries, refused } = await (row.engine === "function" && hasPgbench()
    ? measurePgbench(place, row)
    : measureLoad(place, row));
  const wrong = await check(place.database, { before, answered: entries, schema });
  const refusals = Object.entries(refused).map(
    ([status, count]) => `${count} operations were refused with status ${status}`,
  );
  return { measured, entries, wrong: [...wrong, ...refusals] };
}

type Run = {
  readonly measured: Measurement;
  readonly entries: number;
  readonly refused: LoadResult["refused"];
};

async function measureLoad(place: Place, row: Row): Promise<Run> {
  const { cluster, database, timing } = place;
  const { kind, inFlight, spread, workers } = row;
  const server = row.engine === "function" ? undefined : await place.serverFor(row);
  const nonce = (loads += 1).toString(36).padStart(6, "0");
  const job: Job = {
    kind,
    url: server?.url ?? database.url,
    inFlight,
    // Workers accept connections in turn, so each needs one.
    connections: Math.max(1, workers),
    spread,
    ...timing,
    nonce,
  };
  let ending: Promise<() => Promise<Costs>> | undefined;
  let costs: Promise<Costs> | undefined;
  const result = await runLoad(job, (at) => {
    if (at === "start") ending = startCosts(cluster, database, server?.pid);
    else costs = ending?.then((end) => end());
  });
  const { operations, latency, entries, refused } = result;
  const perSecond = operations / result.seconds;
  const measured = inMeasurement(operations, perSecond, latency, result.cpuMicros, await costs!);
  return { measured, entries, refused };
}

async function measurePgbench(place: Place, { spread, inFlight }: Row): Promise<Run> {
  const { cluster, database, timing } = place;
  const warm = await runPgbench(database, spread, inFlight, Math.ceil(timing.warmSeconds));
  const end = await startCosts(cluster, database, undefined);
  const cpuBefore = cpuMicrosOfEndedChildren();
  const run = await runPgbench(database, spread, inFlight, Math.ceil(timing.seconds));
  const cpu = difference(cpuMicrosOfEndedChildren(), cpuBefore);
  const costs = await end();
  const { transactions, perSecond, latency } = run;
  const measured = inMeasurement(transactions, perSecond, latency, cpu, costs);
  return { measured, entries: warm.transactions + transactions, refused: {} };
}

function inMeasurement(
  operations: number,
  operationsPerSecond: number,
  latency: LoadResult["latency"],
  loadCpuMicros: number | undefined,
  costs: Costs,
): Measurement {
  const each = (sum: number | undefined) => (sum === undefined ? undefined : sum / operations);
  return {
    operationsPerSecond,
    ...latency,
    serverCpuMicros: each(costs.serverCpuMicros),
    postgresCpuMicros: each(costs.postgresCpuMicros),
    loadCpuMicros: each(loadCpuMicros),
    walBytes: costs.walBytes / operations,
    batchOperations: costs.transactions === 0 ? undefined : operations / costs.transactions,
    serverRssBytes: costs.serverRssBytes,
  };
}
