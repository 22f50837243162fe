import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { codeBlocks } from "../support/code-blocks.ts";
import { startPoints, temporaryFolder, until } from "../support/processes.ts";
import { inherited } from "../support/run-folder.ts";

// docs/reports.md: what it says to type is typed as it is there, and answers as it says. The tour begins
// on a 25th, so that what it lets expire does so in the next month; the page's months stand for these two.

const run = promisify(execFile);
const PAGE = await readFile("docs/reports.md", "utf8");
const DAY = 25;

/** What npx runs here, without the second that npx takes. */
const NPX = `npx() { if [ "$1" = points ]; then shift; node bin/points.js "$@"; else "$@"; fi; }`;

test("the tour of docs/reports.md answers as it says", async () => {
  const DATA_DIR = await temporaryFolder();
  const [start, ...blocks] = codeBlocks(PAGE, "sh");
  expect(start).toBe(
    "export DATA_DIR=$(mktemp -d)\nTEST_CLOCK=1 SEARCH_KEYS=order,job npm start\n",
  );
  const server = await startPoints({ DATA_DIR, TEST_CLOCK: "1", SEARCH_KEYS: "order,job" });
  const env = { ...process.env, ...inherited(), DATA_DIR, POINTS_URL: server.baseUrl };
  const begin = nextDay(new Date());
  const minutes = Math.ceil((begin.getTime() - Date.now()) / 60_000);
  await writeFile(`${DATA_DIR}/categories.ts`, codeBlocks(PAGE, "ts")[0]!);
  const shell = async (text: string) => {
    const here = text
      .replaceAll("127.0.0.1:50051", `127.0.0.1:${server.port}`)
      .replaceAll(/december.json|categories.ts/g, (name) => `${DATA_DIR}/${name}`)
      .replaceAll(/2026-1[12]/g, (month) => monthAfter(begin, month === "2026-11" ? 0 : 1));
    return timeless((await run("bash", ["-c", `${NPX}\nexec 2>&1\n${here}`], { env })).stdout);
  };
  /** Asks until the index has all that was committed, and the answer is as the page says. */
  const expectAnswer = async (asked: string, answer: string) => {
    let said = "";
    const pattern = patternOf(timeless(answer));
    await until(`it answers as the page says: ${asked}`, async () => {
      // The answer of commands before it, which were typed once, is left out.
      // A report that is not complete yet exits with 1.
      said = `\n${await shell(`${asked}\n:`)}`;
      return pattern.test(said);
    }).catch((cause: unknown) => {
      throw new Error(`${asked} says:\n${said}`, { cause });
    });
  };

  const [buys, search, expiring, month, late, categories, overview] = blocks;
  const answers = codeBlocks(PAGE, "text");
  expect([blocks.length, answers.length]).toEqual([7, 6]);
  await shell(`npx points clock advance ${minutes}m\n${buys!}`);
  await expectAnswer(search!, answers[0]!);
  expect(await shell(expiring!)).toMatch(patternOf(timeless(answers[1]!)));
  const [passes, report] = split(month!, 2);
  await shell(passes);
  await expectAnswer(report, answers[2]!);
  // The sweep's entry is in it too.
  await expectAnswer("npx points report --month 2026-12\n", "\nexpired 1 -63 0 -63\n");
  const [changes, since] = split(late!, 2);
  await shell(changes);
  await expectAnswer(since, answers[3]!);
  expect(await shell(categories!)).toMatch(patternOf(timeless(answers[4]!)));
  expect(await shell(overview!)).toMatch(patternOf(timeless(answers[5]!)));
  expect((await server.end("SIGTERM")).code).toBe(0);
});

/** The first lines of a block, and the rest. */
function split(block: string, lines: number): [string, string] {
  const all = block.split("\n");
  return [all.slice(0, lines).join("\n"), all.slice(lines).join("\n")];
}

/** The next 25th of a month, at nine. */
function nextDay(now: Date): Date {
  const day = (month: number) => new Date(Date.UTC(now.getUTCFullYear(), month, DAY, 9));
  const first = day(now.getUTCMonth());
  return first > now ? first : day(now.getUTCMonth() + 1);
}

function monthAfter(begin: Date, months: number): string {
  const first = new Date(Date.UTC(begin.getUTCFullYear(), begin.getUTCMonth() + months));
  return first.toISOString().slice(0, 7);
}

/** An answer in which … stands for what is left out. */
function patternOf(answer: string): RegExp {
  const parts = answer.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(parts.join("[^]*"));
}

/** Replaces days, months and instants, and runs of blanks. */
function timeless(text: string): string {
  const known = text.replaceAll(/\d{4}-\d\d(-\d\d([ T]\d\d:\d\d:\d\d)?)?/g, "TIME");
  return known.replaceAll(/─+/g, "─").replaceAll(/ +/g, " ").replaceAll(/ $/gm, "");
}
