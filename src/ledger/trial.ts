import type { Command } from "./command.ts";

/**
 * Whether a command is only decided and answered. It sees what the commands before it in its batch
 * did, and leaves nothing behind: no entry, no receipt, no account.
 */
export function isTrial(command: Command): boolean {
  return command.kind !== "open" && command.validateOnly === true;
}

/**
 * The users of whom a batch has trials alone. What is due of their accounts is booked to decide the
 * trials, and is not kept either.
 */
export function usersOnTrial(commands: readonly Command[]): ReadonlySet<string> {
  if (!commands.some(isTrial)) return NOBODY;
  const users = new Set(commands.map(({ userId }) => userId));
  for (const command of commands) if (!isTrial(command)) users.delete(command.userId);
  return users;
}

const NOBODY: ReadonlySet<string> = new Set();
