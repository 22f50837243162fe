import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";

/** A server under test, a process of its own. */
export type Server = { readonly pid: number; readonly port: number; stop(): Promise<void> };

type Environment = Readonly<Record<string, string>>;

/** Starts `points serve`, as an operator would. */
export function startPoints(databaseUrl: string, environment: Environment = {}): Promise<Server> {
  const args = [join(ROOT, "src", "main.ts"), "serve"];
  return start(args, { ...environment, DATABASE_URL: databaseUrl });
}

/** Starts the server that runs a transaction of the ORM per request. */
export function startOrmServer(databaseUrl: string): Promise<Server> {
  const args = [join(import.meta.dirname, "baselines", "orm-server.ts")];
  return start(args, { DATABASE_URL: databaseUrl });
}

const ROOT = resolve(import.meta.dirname, "..");

async function start(args: readonly string[], environment: Environment): Promise<Server> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, LISTEN: "127.0.0.1:0", LOG_LEVEL: "warn", ...environment },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await portOf(child);
  return {
    pid: child.pid!,
    port,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  let printed = "";
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`the server ended with ${code} before it listened`);
  });
  const listening = new Promise<number>((done) => {
    child.stdout!.on("data", (chunk) => {
      printed += chunk;
      const [, port] = /listens on \S+:(\d+) /.exec(printed) ?? [];
      if (port !== undefined) done(Number(port));
    });
  });
  return Promise.race([listening, ended]);
}
