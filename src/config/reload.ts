import cluster from "node:cluster";
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import type { Logger } from "pino";

// Hot reload: files are read again at SIGHUP, or when they change.
//
// Where several processes serve on one port, only their parent does that. It reads the files that the
// configuration names, checks them, and sends their texts to the workers. So all workers serve by
// the same texts, and a worker that starts later does not fail on a file that was broken meanwhile.

export type Reload = {
  readonly files: readonly string[];
  /**
   * Reads the files and puts them in force, or throws. Then the old ones stay in force: while two
   * files are replaced, they may not fit together for a moment.
   */
  readonly read: () => void;
  /** The name of it for the log, in the plural. */
  readonly what: string;
  readonly log: Logger;
};

/** The texts of files by their paths. */
export type Texts = Readonly<Record<string, string>>;

// One stat of each file. Watching folders instead would miss files that are links, which is how
// Kubernetes mounts secrets.
const POLL_MS = 1_000;

/**
 * Reloads whenever one of the files changes.
 *
 * @returns how to stop
 */
export function reloadOnChange(reload: Reload): () => void {
  if (cluster.isWorker) return reloadOnTexts(reload);
  const onChange = () => run(reload);
  const { files } = reload;
  for (const file of files) watchFile(file, { interval: POLL_MS, persistent: false }, onChange);
  return () => files.forEach((file) => unwatchFile(file, onChange));
}

/**
 * Reloads at each SIGHUP; in a worker, when the parent has sent a new text of one of the files.
 *
 * @returns how to stop
 */
export function reloadOnHangup(reload: Reload): () => void {
  if (cluster.isWorker) return reloadOnTexts(reload);
  const onHangup = () => run(reload);
  process.on("SIGHUP", onHangup);
  return () => void process.off("SIGHUP", onHangup);
}

/**
 * Reads a file; in a worker, the text that the parent sent for it.
 *
 * @throws as `readFileSync` does
 */
export function readText(path: string): string {
  const text = sentTexts[path] ?? readFileSync(path, "utf8");
  lastRead.set(path, text);
  return text;
}

/** Runs `check`, and returns the texts that it read, for the workers. */
export function textsReadBy(check: () => void): Texts {
  lastRead.clear();
  check();
  return Object.fromEntries(lastRead);
}

/** In a worker: puts the texts that the parent sent in force. */
export function takeTexts(texts: Texts): void {
  sentTexts = texts;
  [...workerReloads].filter(isStale).forEach(run);
}

const workerReloads = new Set<Reload>();
const lastRead = new Map<string, string>();
let sentTexts: Texts = {};

function reloadOnTexts(reload: Reload): () => void {
  workerReloads.add(reload);
  // New texts may have come since the files were read.
  if (isStale(reload)) run(reload);
  return () => void workerReloads.delete(reload);
}

function isStale({ files }: Reload): boolean {
  return files.some((path) => sentTexts[path] !== lastRead.get(path));
}

function run({ read, what, log }: Reload): void {
  try {
    read();
    log.info(`the ${what} have been read again`);
  } catch (err) {
    log.error({ err }, `the new ${what} are refused, the old ones stay in force`);
  }
}
