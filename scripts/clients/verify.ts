/**
 * Runs each client in clients/ whose toolchain is on this machine, and grpcurl, against one server
 * with data of its own. Run it as `clients/verify`, or `clients/verify go python` for some of them.
 * With `--minutes N`, clients that have not ended by then are left out.
 *
 * A client fails if its code cannot be built, or if it does not print the lines of
 * clients/scenario.txt. It is left out, with a reason, if its toolchain or a package is not
 * available. It exits with 1 if a client fails, or if all are left out.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { SCOPES } from "../../src/auth/caller.ts";
import { inherited, openRunFolder } from "../../test/support/run-folder.ts";
import { type Client, clients, endAt, LeftOut } from "./projects.ts";
import { ended, run } from "./run.ts";

const START_MAX_MS = 60_000;

process.chdir(resolve(import.meta.dirname, "../.."));
const { values, positionals: wanted } = parseArgs({
  options: { minutes: { type: "string" } },
  allowPositionals: true,
});
if (values.minutes !== undefined) endAt(performance.now() + 60_000 * Number(values.minutes));
const unknown = wanted.filter((name) => clients.every((client) => client.name !== name));
if (unknown.length > 0) throw new Error(`no client is called ${unknown.join(" or ")}`);

const { folder, close } = await openRunFolder();
// Each client must authenticate, so that it shows how.
const token = randomBytes(24).toString("hex");
const callers = { verify: { token, scopes: SCOPES } };
await writeFile(join(folder, "callers.yaml"), JSON.stringify({ callers }), { mode: 0o600 });
const server = spawn(process.execPath, ["src/main.ts", "serve"], {
  env: {
    ...inherited(),
    LISTEN: "127.0.0.1:0",
    DATA_DIR: join(folder, "data"),
    CALLERS: join(folder, "callers.yaml"),
    LOG_LEVEL: "warn",
  },
  stdio: ["ignore", "pipe", "inherit"],
});
const counts = { passed: 0, failed: 0, skipped: 0 };
try {
  const address = await addressOf();
  const expected = await readFile("clients/scenario.txt", "utf8");
  for (const client of clients) {
    if (wanted.length > 0 && !wanted.includes(client.name)) continue;
    counts[await verify(client, address, expected)]++;
  }
} finally {
  server.kill("SIGTERM");
  await ended(server);
  await close();
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
if (counts.failed > 0 || counts.passed === 0) process.exitCode = 1;

async function verify(
  client: Client,
  address: string,
  expected: string,
): Promise<keyof typeof counts> {
  const startMs = performance.now();
  const took = () => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
  try {
    for (const program of client.needs) {
      const { code } = await run({ program, args: ["--help"], cwd: ".", timeoutMs: 20_000 });
      if (code === "ENOENT") throw new LeftOut(`${program} is not on this machine`);
    }
    await client.play({ address, token, folder, expected });
  } catch (error) {
    const isLeftOut = error instanceof LeftOut;
    const text = error instanceof Error ? error.message : String(error);
    console.log(`${client.name}: ${isLeftOut ? "left out" : "FAILED"} (${took()}): ${text}`);
    return isLeftOut ? "skipped" : "failed";
  }
  console.log(`${client.name}: passed (${took()})`);
  return "passed";
}

/** Waits until the server says where it listens. */
async function addressOf(): Promise<string> {
  let said = "";
  return new Promise((found, failed) => {
    const late = setTimeout(() => server.kill("SIGKILL"), START_MAX_MS);
    server.stdout.on("data", (chunk) => {
      said += String(chunk);
      const [, address] = /listens on (\S+) .*\nStop: /s.exec(said) ?? [];
      if (address === undefined) return;
      clearTimeout(late);
      found(address);
    });
    server.stdout.once("close", () => {
      clearTimeout(late);
      failed(new Error(`the server ended, or did not listen within ${START_MAX_MS} ms`));
    });
  });
}
