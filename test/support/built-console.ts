import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { promisify } from "node:util";

/** Builds the console before the tests if it is older than its sources, as whoever changes it expects. */
export default async function setup(): Promise<void> {
  const built = await modifiedMs("console/dist/index.html").catch(() => 0);
  const sources = await Promise.all(["console", "gen", "src/client"].map(newestMs));
  if (Math.max(...sources) <= built) return;
  // By itself: here NODE_ENV is "test", by which React's files would be those for its developers.
  const env = { ...process.env, NODE_ENV: "production" };
  await promisify(execFile)(
    "node_modules/.bin/vite",
    ["build", "console", "--configLoader", "native"],
    { env },
  );
}

async function newestMs(folder: string): Promise<number> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((one) => one.isFile() && !one.parentPath.startsWith("console/dist"));
  const times = await Promise.all(files.map((one) => modifiedMs(`${one.parentPath}/${one.name}`)));
  return Math.max(...times);
}

async function modifiedMs(path: string): Promise<number> {
  return (await stat(path)).mtimeMs;
}
