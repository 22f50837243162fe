import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import {
  isAlive,
  postgresOf,
  processesIn,
  startPoints,
  temporaryFolder,
  until,
} from "../support/processes.ts";

// npm passes SIGTERM and SIGINT on to the shell that it runs a script with. A shell that waits for
// the server would end at SIGTERM, and leave it.

test.for<[string, (npm: number) => void]>([
  ["SIGTERM, sent to npm alone", (npm) => process.kill(npm, "SIGTERM")],
  ["SIGINT, sent to npm alone", (npm) => process.kill(npm, "SIGINT")],
  ["a terminal's Ctrl-C, sent to all of the group", (npm) => process.kill(-npm, "SIGINT")],
])("npm start ends at %s, and leaves nothing behind", async ([, stop]) => {
  const dataDir = await temporaryFolder();
  const server = await startPoints({ DATA_DIR: dataDir }, ["npm", "start"]);
  const postgres = (await postgresOf(dataDir))!;
  const started = await childrenOf(server.child.pid!);
  expect(started).toHaveLength(1);

  stop(server.child.pid!);
  await server.exit;
  expect(server.stderr()).toContain('"msg":"stopping"');
  for (const pid of started) await until("it has ended", async () => !(await isAlive(pid)));
  expect(await isAlive(postgres.pid)).toBe(false);
  expect(await processesIn(dataDir)).toEqual([]);
  await expect(fetch(server.baseUrl)).rejects.toThrow();
});

test("every script that is one long run of Node takes the place of its shell", async () => {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8")) as {
    scripts: Record<string, string>;
  };
  const alone = Object.values(scripts).filter((script) =>
    /^(\S+=\S+ )*(env .*)?node /.test(script),
  );
  // These end by themselves.
  expect(alone).toEqual([scripts["pack:client"], scripts["lock"]]);
});

async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ").filter(Boolean).map(Number);
}
