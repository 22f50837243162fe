import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** A server under test, a process of its own. */
export type Server = {
  readonly pid: number;
  /** `http://host:port`. */
  readonly url: string;
  stop(): Promise<void>;
};

export type Environment = Readonly<Record<string, string>>;

/**
 * Starts Points as `npm start` would, with the same flags of Node.
 *
 * @param folder of another checkout, with its dependencies
 */
export async function startPoints(
  databaseUrl: string,
  environment: Environment,
  folder = ROOT,
): Promise<Server> {
  return start(POINTS, { ...environment, DATABASE_URL: databaseUrl }, folder);
}

/** Starts the server that runs a transaction of the ORM per request, with the same flags too. */
export async function startOrmServer(databaseUrl: string): Promise<Server> {
  const script = join("bench", "baselines", "orm-server.ts");
  return start([script], { DATABASE_URL: databaseUrl });
}

/** What `npm start` runs. */
export async function startCommand(): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    scripts: { start: string };
  };
  return scripts.start;
}

/** Its variables, and its flags of Node. */
async function startSettings() {
  const command = await startCommand();
  const [before, after] = command.split("node ");
  const points = POINTS.join(" ");
  if (before === undefined || after?.endsWith(points) !== true) {
    throw new Error(`the bench cannot start Points by "${command}"`);
  }
  const assigned = words(before).filter((word) => word.includes("="));
  const variables = Object.fromEntries(assigned.map((word) => word.split("="))) as Environment;
  return { variables, flags: words(after.slice(0, -points.length)) };
}

function words(text: string): readonly string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** Stops those that are running, for good: no more can be started. */
export async function stopServers(): Promise<void> {
  areStopped = true;
  await Promise.all([...running].map(stop));
}

const running = new Set<ChildProcess>();
let areStopped = false;
const POINTS = ["bin/points.js", "serve"];
const ROOT = join(import.meta.dirname, "..");

async function start(
  args: readonly string[],
  environment: Environment,
  folder = ROOT,
): Promise<Server> {
  const { variables, flags } = await startSettings();
  if (areStopped) throw new Error("the servers are stopped");
  const child = spawn(process.execPath, [...flags, ...args], {
    cwd: folder,
    env: { ...process.env, ...variables, LISTEN: "127.0.0.1:0", LOG_LEVEL: "warn", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  const url = `http://${await addressOf(child)}`;
  return { pid: child.pid!, url, stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

async function addressOf(child: ChildProcess): Promise<string> {
  let printed = "";
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the server ended with ${code} before it listened`);
  });
  const listening = new Promise<string>((done) => {
    child.stdout!.on("data", (chunk) => {
      printed += chunk;
      const [, address] = /listens on (\S+:\d+) /.exec(printed) ?? [];
      if (address !== undefined) done(address);
    });
  });
  return Promise.race([listening, ended]);
}
