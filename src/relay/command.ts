import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Attempt } from "./attempts.ts";
import type { CloudEvent } from "./cloud-event.ts";
import { linesOf } from "./lines.ts";

/**
 * Makes attempts to hand events to a command of the shell, as lines on its standard input. It has
 * taken them if it exits with 0: unlike the other end of a pipe, which may die with what it has read.
 *
 * What it prints goes to standard error.
 */
export function commandOf(text: string): (events: readonly CloudEvent[]) => Promise<Attempt> {
  return async (events) => {
    // A process group of its own: a Ctrl-C in the terminal must not end it in the midst.
    const child = spawn("sh", ["-c", text], { stdio: ["pipe", 2, 2], detached: true });
    // One that does not read all says by its exit code whether that is right.
    child.stdin!.on("error", () => {});
    child.stdin!.end(linesOf(events));
    const end = () => endGroup(child);
    process.once("exit", end);
    const [code, signal] = (await once(child, "exit").finally(() => {
      process.off("exit", end);
    })) as [number | null, string | null];
    const reason = signal === null ? `the command exits with ${code}` : `the command got ${signal}`;
    return code === 0 ? { kind: "delivered", reason } : { kind: "failed", askedMs: 0, reason };
  };
}

/** A command must not go on beside that of the feed that comes next. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGTERM");
  } catch {
    // It has just ended by itself.
  }
}
