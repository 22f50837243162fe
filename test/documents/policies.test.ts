import { execFile, spawn } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { parseFirstPolicies } from "../../src/rpc/policy-file.ts";
import { codeBlocks } from "../support/code-blocks.ts";
import { runPoints, startPoints, temporaryFolder, until } from "../support/processes.ts";

// docs/policies.md: what it says to type is typed as it is there, and answers as it says.

const run = promisify(execFile);
const PAGE = await readFile("docs/policies.md", "utf8");

test("the recipes of docs/policies.md answer as they say", async () => {
  const DATA_DIR = await temporaryFolder();
  const server = await startPoints({ DATA_DIR, TEST_CLOCK: "1" });
  const environment = { DATA_DIR, POINTS_URL: server.baseUrl };
  const env = { ...process.env, ...environment };
  const atServer = (text: string) => text.replaceAll("127.0.0.1:50051", `127.0.0.1:${server.port}`);
  const shell = async (commands: string) => {
    // Some of them are refused, as the page says.
    const all = `exec 2>&1\n${atServer(commands)}\ntrue`;
    return (await run("bash", ["-c", all], { env })).stdout;
  };
  // No window may end in the midst of a recipe.
  const minute = Math.floor(Date.now() / 60_000) % 1_440;
  if (minute > 1_425) await runPoints(environment, ["clock", "advance", "20m"]).exit;

  const [request] = codeBlocks(PAGE, "sh");
  for (const replayed of [false, true]) {
    const entry = { kind: "ENTRY_KIND_SET_POLICY", policy: { name: "free" } };
    expect(JSON.parse(await shell(request!))).toMatchObject({ entry, replayed });
  }

  expect(RECIPES).toHaveLength(9);
  for (const { title, section } of RECIPES) {
    const [commands, ...others] = codeBlocks(section, "sh");
    expect(others).toEqual([]);
    const [answer] = codeBlocks(section, "text");
    expect.soft(timeless(await shell(commands!)), title).toMatch(patternOf(timeless(answer!)));
    const [program] = codeBlocks(section, "ts");
    if (program === undefined) continue;
    // Where its import finds gen/.
    const file = `policies-${process.pid}.ts`;
    await writeFile(file, atServer(program));
    const consumer = spawn("node", [file]);
    onTestFinished(async () => {
      consumer.kill();
      await rm(file);
    });
    await until("it has topped up", async () => {
      const { stdout } = await runPoints(environment, ["account", "hal"]).exit;
      return /^balance +115$/m.test(stdout);
    });
  }
  expect(await shell("npx points verify")).toContain("all in order");
  expect((await server.end("SIGTERM")).code).toBe(0);
});

test("docs/policies.md has a file of policies that a server takes", () => {
  const [file] = codeBlocks(PAGE, "yaml");
  const policies = parseFirstPolicies(file!, "policies.yaml");
  expect(policies.map(({ name }) => name)).toEqual(["fair-use", "free"]);
});

/** Those that let time pass come last: others count from the machine's clock. */
const RECIPES = [...PAGE.matchAll(/^## (.+)\n([^]*?)(?=^# |^## )/gm)]
  .map(([, title, section]) => ({ title: title!, section: section! }))
  .filter(({ section }) => section.includes("```sh\n"))
  .toSorted((a, b) => Number(passesTime(a)) - Number(passesTime(b)));

function passesTime({ section }: { readonly section: string }): boolean {
  return section.includes("points clock advance");
}

/** An answer in which … stands for what is left out. */
function patternOf(answer: string): RegExp {
  const parts = answer.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(parts.join("[^]*"));
}

/** Replaces instants by a text of the same width. */
function timeless(text: string): string {
  const known = text.replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d/g, "TIME".padEnd(19));
  return known.replace(/ +$/gm, "");
}
