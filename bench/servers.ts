import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** A server under test, in its own process. */
export type Server = {
  readonly pid: number;
  /** `http://host:port`. */
  readonly url: string;
  stop(): Promise<void>;
};

export type Environment = Readonly<Record<string, string>>;

/**
 * Starts Points as `npm start` does, with the same flags of Node, but by default without a projector.
 *
 * @param folder another checkout, with its dependencies installed
 */
export async function startPoints(
  databaseUrl: string,
  environment: Environment,
  folder = ROOT,
): Promise<Server> {
  // Other checkouts may have no projector.
  return start(POINTS, { PROJECT: "off", ...environment, DATABASE_URL: databaseUrl }, folder);
}

/** Starts the ORM baseline (a transaction per request) with the same flags of Node. */
export async function startOrmServer(databaseUrl: string): Promise<Server> {
  const script = join("bench", "baselines", "orm-server.ts");
  return start([script], { DATABASE_URL: databaseUrl });
}

/** The command that `npm start` runs. */
export async function startCommand(): Promise<string> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    scripts: { start: string };
  };
  return scripts.start;
}

/** That command's environment variables and Node flags. */
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

/** Stops all running servers; no more can start. */
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
