import cluster from "node:cluster";
import { unwatchFile, watchFile } from "node:fs";
import type { Logger } from "pino";
import { onHandedOn } from "./handed-on.ts";

// A stat of each file so often. A watch of folders misses files that are links, which is how
// Kubernetes mounts secrets.
const LOOK_MS = 1_000;

/**
 * Reads something again whenever one of its files changes. What cannot be used is refused, and what
 * was read before stays in force: while two files are replaced, they may not fit for a moment.
 *
 * In a worker that is when the process that started it hands on what has changed.
 *
 * @param read puts it in force, or throws
 * @param what for the log, in the plural
 * @returns how to stop
 */
export function rereadOnChange(
  files: readonly string[],
  read: () => void,
  log: Logger,
  what: string,
): () => void {
  const look = () => reread(read, log, what);
  if (cluster.isWorker) return onHandedOn(files, look);
  for (const file of files) watchFile(file, { interval: LOOK_MS, persistent: false }, look);
  return () => files.forEach((file) => unwatchFile(file, look));
}

/** The same, at each SIGHUP. */
export function rereadOnHangup(read: () => void, log: Logger, what: string): () => void {
  const onHangup = () => reread(read, log, what);
  if (cluster.isWorker) return onHandedOn(undefined, onHangup);
  process.on("SIGHUP", onHangup);
  return () => void process.off("SIGHUP", onHangup);
}

function reread(read: () => void, log: Logger, what: string): void {
  try {
    read();
    log.info(`the ${what} have been read again`);
  } catch (err) {
    log.error({ err }, `the new ${what} are refused, the old ones stay in force`);
  }
}
