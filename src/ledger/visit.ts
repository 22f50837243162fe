import type { Command } from "./command.ts";
import { isTrial } from "./trial.ts";

/** Whether a command is somebody's, and not the sweeper's: what is quiet is booked before it. */
export function isVisit(command: Command): boolean {
  return !(command.kind === "expire" && command.target.kind === "sweep");
}

/**
 * The users whose accounts somebody visits. A trial leaves nothing behind: what is quiet is booked to
 * decide it, and not kept.
 */
export function usersVisited(commands: readonly Command[]): ReadonlySet<string> {
  const visiting = commands.filter((command) => isVisit(command) && !isTrial(command));
  return new Set(visiting.map(({ userId }) => userId));
}
