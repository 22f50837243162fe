import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeCallers } from "../support/callers.ts";
import { makeAuthority, writeCertificate } from "../support/certificates.ts";
import { temporaryFolder, until } from "../support/processes.ts";
import { adminStatus, priceVersion, startTwoWorkers, workersOf } from "../support/workers.ts";

describe("files that are broken while workers serve", () => {
  test("keep none from being replaced, with what was in force", async () => {
    const folder = await temporaryFolder();
    const authority = await makeAuthority();
    const environment = {
      ...(await writeCertificate(folder, await authority.sign("localhost"))),
      ...(await writeCallers(folder, { one: { scopes: ["points.read"] } })),
      PRICES: await writePrices(folder, "v1"),
    };
    const server = await startTwoWorkers(environment);
    const version = () => priceVersion(server, { ca: authority.cert });
    for (const file of Object.values(environment)) await writeFile(file, "{ broken");
    server.child.kill("SIGHUP");
    await until("they are refused", () => {
      return ["prices", "callers", "certificates"].every((what) =>
        server.stderr().includes(`the new ${what} are refused`),
      );
    });
    for (const pid of await workersOf(server)) {
      const before = await workersOf(server);
      process.kill(pid, "SIGKILL");
      await until("it is replaced", async () => {
        const now = await workersOf(server);
        return now.length === before.length && !now.includes(pid);
      });
    }
    await until("it is ready", async () => (await adminStatus(server, "/readyz")) === 200);
    for (let round = 0; round < 8; round += 1) expect(await version()).toBe("v1");
    expect(server.stderr()).not.toContain("points: ");
    expect((await server.end("SIGTERM")).code).toBe(0);
  });

  test("come into force in all of them when they are mended, also in those that start", async () => {
    const folder = await temporaryFolder();
    const server = await startTwoWorkers({ PRICES: await writePrices(folder, "v1") });
    for (const version of ["v2", "v3"]) {
      const [first] = await workersOf(server);
      process.kill(first!, "SIGKILL");
      await until("one has ended", async () => !(await workersOf(server)).includes(first!));
      // Before, while or after another one reads what it is to serve by.
      await writePrices(folder, version);
      server.child.kill("SIGHUP");
      await until("all of them serve by it", async () => {
        if ((await workersOf(server)).length < 2 || (await adminStatus(server, "/readyz")) !== 200)
          return false;
        const found = await Promise.all(Array.from({ length: 8 }, () => priceVersion(server)));
        return found.every((one) => one === version);
      });
    }
    expect((await server.end("SIGTERM")).code).toBe(0);
  });
});

async function writePrices(folder: string, version: string): Promise<string> {
  const path = join(folder, "prices.yaml");
  await writeFile(path, `version: ${version}\nservices: { it: free }`);
  return path;
}
