import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Checked, startChecker } from "./checker.ts";
import { clockOf } from "./clock.ts";
import { startLoad } from "./load.ts";
import { startPostgres } from "./postgres.ts";
import { pricesOf } from "./pricing.ts";
import { randomOf } from "./random.ts";
import { startRounds } from "./rounds.ts";
import { startServer } from "./servers.ts";
import { targetAt } from "./targets.ts";

export type Report = { tally: Map<string, number>; checked: Checked; seconds: number };

export async function run(options: { seconds: number; seed: number; log: (s: string) => void }): Promise<Report> {
  const random = randomOf(options.seed);
  const folder = await mkdtemp("/tmp/points-torture-");
  const postgres = await startPostgres(join(folder, "data"));
  const targets = [targetAt(undefined), targetAt(undefined)];
  const servers = [];
  for (const [i, target] of targets.entries()) {
    servers.push(await startServer({ LISTEN: "127.0.0.1:0", DATABASE_URL: postgres.url(), SWEEP_SECONDS: "1", LOG_LEVEL: "warn" }, target, join(folder, `server-${i}.log`)));
  }
  const clock = clockOf(0);
  const prices = pricesOf(await targets[0]!.client().listPrices({}));
  const client = () => random.pick(targets.filter((t) => t.isUp())).client();
  const checker = startChecker(client, { clock, prices });
  const started = performance.now();
  const rounds = startRounds(random, clock, { prefix: `t${options.seed}`, accountsPerRound: 500, hotAccounts: 2, roundMs: 10_000, onRound: checker.add });
  const load = startLoad({ random, targets, rounds, impatient: true, batchers: 4, streamers: 2, loners: 6,
    onWrong: (what) => { checker.checked.findings.push({ kind: "mismatch", what }); }, onAnswer: () => {} });
  const ticker = setInterval(() => {
    options.log(`${((performance.now() - started) / 1000).toFixed(0)} s: applied ${load.tally.get("applied")}, accounts ${checker.checked.accounts}, entries ${checker.checked.entries}, wrong ${checker.checked.findings.length}, rss ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB, cpu ${JSON.stringify(process.cpuUsage())}`);
  }, 5000);
  await sleep(options.seconds * 1000);
  await load.finish();
  options.log("load finished");
  const seconds = (performance.now() - started) / 1000;
  await checker.finish();
  clearInterval(ticker);
  for (const server of servers) await server.stop();
  for (const target of targets) target.close();
  await postgres.stop();
  await rm(folder, { recursive: true });
  return { tally: load.tally, checked: checker.checked, seconds };
}
