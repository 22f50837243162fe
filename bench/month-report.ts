import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { openRunFolder } from "../test/support/run-folder.ts";
import { naiveReport } from "./naive-report.ts";
import { startPoints, stopServers } from "./servers.ts";
import { liveMonths, STEPS } from "./three-months.ts";

// `npm run bench:report -- [ACCOUNTS]`: three months of 100,000 accounts, ten operations each, at a real
// server whose clock is set forward between them. Then `points report` of each month must be equal to a
// naive replay of `points export`, to the point. Says how long each took.

const ACCOUNTS = Number(process.argv[2] ?? 100_000);
const STEP_DAYS = 9;

const run = promisify(execFile);
const { folder, close } = await openRunFolder(resolve(import.meta.dirname, "..", ".bench-"));
let isEqual = true;
try {
  const DATA_DIR = join(folder, "data");
  const environment = { DATA_DIR, TEST_CLOCK: "1", ADMIN_LISTEN: "off" };
  const server = await startPoints("", { ...environment, PROJECT: "on", SEARCH_KEYS: "order" });
  const points = async (...args: string[]) => {
    const env = { ...process.env, ...environment, POINTS_URL: server.url };
    const options = { env, maxBuffer: 2 ** 26 };
    return (await run(process.execPath, ["bin/points.js", ...args], options)).stdout;
  };

  await timed(`${ACCOUNTS} accounts, ${STEPS} operations each`, () =>
    liveMonths(server.url, ACCOUNTS, async () => {
      await points("clock", "advance", `${STEP_DAYS}d`);
      await points("sweep");
    }),
  );
  const now = (await points("clock")).slice(0, "2026-11-29T00:00:00".length);
  await timed("until the sums have all", () => caughtUp(points, now));

  const file = join(folder, "export.jsonl");
  await timed("points export", () => points("export", file));
  const first = new Date(Date.parse(`${now}Z`) - STEPS * STEP_DAYS * 86_400_000);
  for (let month = 0; month <= 3; month += 1) {
    const [from, until] = [monthOf(first, month), monthOf(first, month + 1)];
    const report = await timed(`points report --month ${from.slice(0, 7)}`, () =>
      points("report", "--from", from, "--until", until, "--json"),
    );
    const naive = await timed("a naive replay of it", () => naiveReport(file, from, until));
    isEqual = isSame(report, naive) && isEqual;
  }
  const days = ["--month", monthOf(first, 1).slice(0, 7)];
  await timed("the same of a tenth of the users", () => points("report", ...days, "user-1"));
  await timed("points search --request-id", () => points("search", "--request-id", "user-7/1"));
  await timed("points expiring, all users", () => points("expiring", "--limit", "1000000"));
  console.log(await points("report", ...days));
} finally {
  await stopServers();
  await close();
}
process.exitCode = isEqual ? 0 : 1;

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const done = await work();
  console.log(`${what}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  return done;
}

type Line = { line: string; of: string; entries: string; held: string; debt: string };

/** Asks until all that was committed before an instant is in the sums. */
async function caughtUp(points: (...args: string[]) => Promise<string>, time: string) {
  for (;;) {
    const day = time.slice(0, 10);
    const range = ["--from", "2000-01-01", "--until", day];
    const { caughtUpTo } = JSON.parse(await points("report", ...range, "--json")) as {
      caughtUpTo: string | null;
    };
    if (caughtUpTo !== null && caughtUpTo > time) return;
    await sleep(1_000);
  }
}

function monthOf(first: Date, months: number): string {
  const day = Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + months);
  return new Date(day).toISOString().slice(0, 10);
}

function isSame(report: string, naive: Awaited<ReturnType<typeof naiveReport>>): boolean {
  const { lines } = JSON.parse(report) as { lines: Line[] };
  const said = lines
    .map(({ line, of, ...figures }) => [`${line} ${of}`.trimEnd(), figures] as const)
    .filter(([, { entries, held, debt }]) => [entries, held, debt].some((text) => text !== "0"))
    .map(([name, { entries, held, debt }]) => `${name}: ${entries} ${held} ${debt}`);
  const replayed = [...naive].map(([name, figures]) => `${name}: ${figures.join(" ")}`);
  const [a, b] = [said.toSorted().join("\n"), replayed.toSorted().join("\n")];
  console.log(
    a === b ? `  equal, ${said.length} lines` : `  NOT EQUAL\n${a}\n  and by replay\n${b}`,
  );
  return a === b;
}
