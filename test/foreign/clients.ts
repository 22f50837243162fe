import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";

/** A call of a client in another language: a path, and the bytes of a message. */
export type ForeignCall = {
  readonly path: string;
  readonly request: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
};

/** The outcome that such a client sees. `details` is a google.rpc.Status, empty if there is none. */
export type ForeignOutcome = { code: string; message: string; details: Uint8Array };

/** A client in another language, after its dependencies are fetched and built. */
export type ForeignClient = {
  readonly name: string;
  /** @returns the command; it throws if a dependency is not available */
  readonly command: () => Promise<readonly [program: string, ...args: string[]]>;
};

const GRPCIO = "grpcio==1.85.3";
const FETCH_MAX_MS = 180_000;

/** All clients. Their downloads stay in the folder for temporary files. */
export const FOREIGN_CLIENTS: readonly ForeignClient[] = [
  {
    name: "grpcio",
    async command() {
      const script = resolve("test/foreign/call.py");
      const hasIt = await ran("python3", ["-c", "import grpc"]).catch(() => undefined);
      if (hasIt !== undefined) return ["python3", script];
      const folder = join(tmpdir(), `points-${GRPCIO}`);
      if (!existsSync(folder)) {
        const making = `${folder}.${process.pid}`;
        await ran("python3", ["-m", "venv", making]);
        await ran(join(making, "bin/python"), ["-m", "pip", "install", "-q", GRPCIO]);
        // Another run may have made the same folder first.
        await rename(making, folder).catch(() => rm(making, { recursive: true }));
      }
      return [join(folder, "bin/python"), script];
    },
  },
  {
    name: "grpc-go",
    async command() {
      const program = join(tmpdir(), `points-grpc-go-${process.pid}`);
      await ran("go", ["build", "-o", program, "."], "test/foreign/go");
      return [program];
    },
  },
];

/** Makes calls with a client, one after the other. */
export async function callWith(
  [program, ...args]: readonly [string, ...string[]],
  address: string,
  calls: readonly ForeignCall[],
): Promise<readonly ForeignOutcome[]> {
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const asked = calls.map((call) => ({ ...call, request: base64(call.request) }));
  child.stdin.end(JSON.stringify({ address, calls: asked }));
  const [printed] = await Promise.all([text(child.stdout), once(child, "close")]);
  const outcomes = JSON.parse(printed) as { code: string; message: string; details: string }[];
  return outcomes.map(({ code, message, details }) => ({
    code: code.replaceAll("_", "").toLowerCase(),
    message,
    details: Buffer.from(details, "base64"),
  }));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function ran(program: string, args: readonly string[], cwd = ".") {
  return promisify(execFile)(program, args, { cwd, timeout: FETCH_MAX_MS });
}
