import { isDeepStrictEqual } from "node:util";
import { createBaseline } from "./baselines/tables.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { goalsOf } from "./goals.ts";
import { GROWTH, QUICK_GROWTH } from "./growth-plan.ts";
import { runGrowth } from "./growth.ts";
import { stopLoads } from "./load/job.ts";
import { lookAtMachine } from "./machine.ts";
import { HELP, type Options, readOptions } from "./options.ts";
import { aboutText } from "./report/about.ts";
import { goalsTable, lineOf } from "./report/rows.ts";
import type { About, Results, RowResult } from "./results.ts";
import { runRounds } from "./rounds.ts";
import { populationsOf, type Row } from "./rows.ts";
import { openSaved, type Saved } from "./saved.ts";
import { seed } from "./seed.ts";
import { putTeamLimit } from "./team.ts";
import { type Server, startOrmServer, startPoints, stopServers } from "./servers.ts";

// `npm run bench`: see README.md.

/** An interrupt: the row under way is given up; earlier measurements are already saved. */
class Interrupted extends Error {}

const options = optionsAsked();
if (options === "help") console.log(HELP);
else process.exit((await runBench(options)) ? 0 : 1);

function optionsAsked(): Options | "help" {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`bench: ${(error as Error).message}\n\n${HELP}`);
    process.exit(2);
  }
}

/** Runs the bench; gives whether everything ran and all checks passed. */
async function runBench(asked: Options): Promise<boolean> {
  const interrupted = Promise.withResolvers<never>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => interrupted.reject(new Interrupted(signal)));
  }
  const cluster = await startCluster();
  try {
    return await Promise.race([measure(asked, cluster), interrupted.promise]);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    console.log("Interrupted: what was measured is saved.");
    return false;
  } finally {
    stopLoads();
    await stopServers();
    await cluster.remove();
  }
}

async function measure(asked: Options, cluster: Cluster): Promise<boolean> {
  const { folder, isQuick, isGrowth, timing, environment } = asked;
  const saved = await openSaved(folder, isQuick);
  const about: About = { machine: await lookAtMachine(cluster), timing, environment };
  console.log(`${aboutText(about)}\n`);
  const wrong = await (isGrowth ? benchGrowth : benchRows)(cluster, asked, about, saved);
  console.log(`\n${goalsTable(goalsOf(saved.results(), saved.growth()))}`);
  console.log(`\nThe results are in ${folder}.`);
  for (const what of wrong) console.error(what);
  return wrong.length === 0;
}

async function benchRows(
  cluster: Cluster,
  { isResumed, rows, accounts, rounds }: Options,
  about: About,
  saved: Saved,
): Promise<readonly string[]> {
  const before = isResumed ? rowsToResume(saved.results(), about, accounts) : [];

  const database = await cluster.createDatabase("bench");
  for (const population of populationsOf(accounts)) await seed(database, population);
  await createBaseline(database);
  const servers = new Map<string, Promise<Server>>();
  const serverFor = ({ engine, workers }: Row) => {
    const name = `${engine} ${workers}`;
    const environment = { ...about.environment, WORKERS: String(workers) };
    const start = engine === "orm" ? startOrmServer : startPoints;
    const server = servers.get(name) ?? start(database.url, environment);
    servers.set(name, server);
    return server;
  };
  const team = rows.find(({ spread }) => spread.members !== undefined);
  if (team !== undefined) await putTeamLimit(team, await serverFor(team));
  const place = { cluster, database, serverFor, timing: about.timing };
  const results = await runRounds(place, { rows, rounds, before }, async (row, repeat, soFar) => {
    await saved.saveResults({ ...about, accounts, rows: soFar });
    console.log(lineOf(row, repeat.measured));
    for (const what of repeat.wrong) console.error(`${row.name}: ${what}`);
  });
  return results.flatMap(({ name, wrong }) => wrong.map((what) => `${name}: ${what}`));
}

/**
 * The rows measured by an interrupted run.
 *
 * @throws an Error if that run differed: its figures must not be mixed with this run's
 */
function rowsToResume(
  saved: Results | undefined,
  about: About,
  accounts: number,
): readonly RowResult[] {
  if (saved === undefined) return [];
  const { rows, ...before } = saved;
  const machine = { ...about.machine, date: before.machine.date };
  if (isDeepStrictEqual(before, { ...about, machine, accounts })) return rows;
  throw new Error(
    `what is saved is of commit ${before.machine.commit}, or of another machine, ` +
      "or was asked for otherwise: run it again without --resume",
  );
}

async function benchGrowth(
  cluster: Cluster,
  { isQuick, rounds, minutes }: Options,
  about: About,
  saved: Saved,
): Promise<readonly string[]> {
  const { timing, environment } = about;
  const plan = isQuick ? QUICK_GROWTH : GROWTH;
  const onProgress = (what: string) => console.log(what);
  const how = { cluster, environment, repeats: rounds, timing, minutes, onProgress };
  await runGrowth(how, plan, (results) =>
    saved.saveGrowth({ ...about, ...results, repeats: rounds, small: plan.small }),
  );
  const { ledgers, accounts } = saved.growth()!;
  return [...ledgers, ...accounts].flatMap(({ wrong }) => wrong);
}
