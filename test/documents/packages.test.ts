import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";

test("few packages run beside the server, and scripts run at install by name alone", async () => {
  const lock = JSON.parse(await readFile("package-lock.json", "utf8")) as {
    packages: Record<string, { dev?: boolean; optional?: boolean; hasInstallScript?: boolean }>;
  };
  const { allowScripts, dependencies, devDependencies } = JSON.parse(
    await readFile("package.json", "utf8"),
  ) as Record<string, Record<string, unknown>>;
  const packages = Object.entries(lock.packages)
    .filter(([path]) => path !== "")
    .map(([path, of]) => ({ name: path.replace(/^.*node_modules\//, ""), ...of }));
  const atRunTime = packages.filter(({ dev, optional }) => dev !== true && optional !== true);
  console.log(`${atRunTime.length} packages at run time`);
  expect(atRunTime.length).toBeGreaterThan(10);
  expect(atRunTime.length).toBeLessThanOrEqual(60);
  const scripted = packages.filter(({ hasInstallScript }) => hasInstallScript === true);
  for (const { name } of scripted) expect(allowScripts).toHaveProperty([name]);
  for (const version of Object.values({ ...dependencies, ...devDependencies })) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  }
});
