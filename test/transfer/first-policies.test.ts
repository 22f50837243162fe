import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { StoppedImport } from "../../src/transfer/bad-line.ts";
import { csvOf, figuresOf, fileOf, importText, runAt } from "../support/importing.ts";
import { temporaryFolder } from "../support/processes.ts";
import { testServer } from "../support/server.ts";

const ROWS = ["ada,1,3,2,0,", "bob,1,3,2,0,", "cid,1,3,2,0,", "dan,0,3,2,1,"];

test("an import at a server with policies for new accounts stops after the first account", async () => {
  const POLICIES = join(await temporaryFolder(), "policies.yaml");
  await writeFile(POLICIES, "policies: { low: { alert: { below: 3 } } }");
  const server = await testServer({ POLICIES });
  onTestFinished(() => server.stop());
  await expect(importText(server.client, csvOf(...ROWS))).rejects.toThrow(StoppedImport);
  const [one, ...others] = Object.entries(await figuresOf(server));
  expect(others).toEqual([]);
  expect(one![1]).toBe("2 2 0 0");

  const file = await fileOf("more.csv", csvOf("eve,1,3,2,0,").join("\n"));
  const { code, stdout, stderr } = await runAt(server, "import", file);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(
    /^points: the server gives policies to new accounts, .* without POLICIES\. eve has them now, .*\n$/,
  );
});

test("an account that was there before, empty, does not hide them", async () => {
  const before = await testServer();
  onTestFinished(() => before.stop());
  await before.client.getOrCreate({ userId: "ada" });
  const POLICIES = join(await temporaryFolder(), "policies.yaml");
  await writeFile(POLICIES, "policies: { low: { alert: { below: 3 } } }");
  const server = await testServer({ POLICIES }, before.database);
  onTestFinished(() => server.stop());
  await expect(importText(server.client, csvOf(...ROWS))).rejects.toThrow(StoppedImport);
  const figures = await figuresOf(server);
  expect(Object.keys(figures)).toHaveLength(2);
  expect(figures).toHaveProperty("ada", "1 3 2 0");
});
