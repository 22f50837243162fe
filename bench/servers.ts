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

/** Starts Points as `npm start` would, with the same flags of Node. */
export async function startPoints(databaseUrl: string, environment: Environment): Promise<Server> {
  return start(await startCommand(), { ...environment, DATABASE_URL: databaseUrl });
}

/** Starts the server that runs a transaction of the ORM per request, with the same flags too. */
export async function startOrmServer(databaseUrl: string): Promise<Server> {
  const flags = (await startCommand()).slice(0, -POINTS.length);
  const script = join("bench", "baselines", "orm-server.ts");
  return start([...flags, script], { DATABASE_URL: databaseUrl });
}

/** What `npm start` gives to Node: its flags, and `POINTS`. */
export async function startCommand(): Promise<readonly string[]> {
  const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
    scripts: { start: string };
  };
  const [program, ...args] = scripts.start.split(" ");
  if (program !== "node" || args.slice(-POINTS.length).join(" ") !== POINTS.join(" ")) {
    throw new Error(`the bench cannot start Points by "${scripts.start}"`);
  }
  return args;
}

/** Stops those that are running, for good: no more can be started. */
export async function stopServers(): Promise<void> {
  areStopped = true;
  await Promise.all([...running].map(stop));
}

const running = new Set<ChildProcess>();
let areStopped = false;
const POINTS = ["src/main.ts", "serve"];
const ROOT = join(import.meta.dirname, "..");

async function start(args: readonly string[], environment: Environment): Promise<Server> {
  if (areStopped) throw new Error("the servers are stopped");
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, LISTEN: "127.0.0.1:0", LOG_LEVEL: "warn", ...environment },
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
