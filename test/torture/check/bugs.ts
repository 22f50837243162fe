import { readFile } from "node:fs/promises";

const SHOWN_MAX = 3;

/**
 * A batch that meets a bug is taken apart, and its parts may succeed: nobody is told but the log.
 *
 * @param logFiles what servers wrote at warn and above
 * @throws an Error with the first lines that tell of a bug
 */
export async function expectNoBugs(logFiles: readonly string[]): Promise<void> {
  const logs = await Promise.all(logFiles.map((file) => readFile(file, "utf8")));
  const bugs = logs
    .flatMap((log) => log.split("\n"))
    .filter((line) => line.includes('"fault":"bug"') || line.includes('"msg":"a call failed"'));
  if (bugs.length === 0) return;
  throw new Error(`the servers met ${bugs.length} bugs:\n${bugs.slice(0, SHOWN_MAX).join("\n")}`);
}
