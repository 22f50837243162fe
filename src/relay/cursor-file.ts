import { createHash } from "node:crypto";
import { once } from "node:events";
import { open, readFile, realpath, rename } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors/user-error.ts";

/** What a cursor is of: the entries that a server was asked for. */
export type Stream = {
  /** Names of kinds, sorted. */
  readonly kinds: readonly string[];
  readonly userIdPrefix: string;
};

/** Where a feed stands: what its file says. */
export type StoredCursor = Stream & { readonly cursor: string };

/** The file of one feed, which no other process may use as long as this one lives. */
export type CursorFile = {
  /** As it was given. */
  readonly path: string;
  /** Undefined: there is no file yet. */
  readonly place: StoredCursor | undefined;
  /** Replaces the file's content (atomic write): whatever dies when, it has one place or the next. */
  store(place: StoredCursor): Promise<void>;
};

/**
 * Takes the file of a feed for this process, and reads it.
 *
 * @throws {UserError} if another feed has it, or if it is not the file of a feed
 */
export async function openCursorFile(path: string): Promise<CursorFile> {
  const folder = await realpath(dirname(path)).catch((error: Error) => {
    throw new UserError(`cannot use ${path}: ${error.message}`);
  });
  const file = join(folder, basename(path));
  await lock(file, path);
  return { path, place: await read(file, path), store: (place) => store(file, place) };
}

/**
 * Where the feed of a stream goes on.
 *
 * @returns undefined if it begins
 * @throws {UserError} if the file is of another stream
 */
export function startOf({ path, place }: CursorFile, stream: Stream): string | undefined {
  if (place === undefined) return undefined;
  if (textOf(place) === textOf(stream)) return place.cursor;
  throw new UserError(
    `${path} is of ${textOf(place)}, and not of ${textOf(stream)}: take a cursor file for each`,
  );
}

function textOf({ kinds, userIdPrefix }: Stream): string {
  const filter = [
    ...kinds.map((kind) => `--kind ${kind}`),
    ...(userIdPrefix === "" ? [] : [`--user-prefix ${userIdPrefix}`]),
  ];
  return filter.length === 0 ? "all entries" : filter.join(" ");
}

/**
 * A lock that ends with the process, however that ends: an abstract socket, which no two processes
 * can listen on. Only Linux has them; elsewhere nothing is locked. It holds within one machine, or
 * one network namespace.
 */
async function lock(file: string, path: string): Promise<void> {
  if (process.platform !== "linux") return;
  const digest = createHash("sha256").update(file).digest("hex");
  const server = createServer((socket) => socket.destroy());
  server.listen(`\0points-feed-${digest}`);
  server.unref();
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    throw new UserError(`another feed uses ${path}: each needs a cursor file of its own`);
  }
}

async function read(file: string, path: string): Promise<StoredCursor | undefined> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`);
  }
  const place = placeIn(text);
  if (place !== undefined) return place;
  throw new UserError(
    `${path} is not a cursor file: put back what was there, or begin anew without it by --from`,
  );
}

/** @returns undefined if the text is anything but a place */
function placeIn(text: string): StoredCursor | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { kinds, userIdPrefix, cursor } = (value ?? {}) as Record<string, unknown>;
  if (typeof userIdPrefix !== "string") return undefined;
  if (typeof cursor !== "string" || cursor === "" || !Array.isArray(kinds)) return undefined;
  if (!kinds.every((kind) => typeof kind === "string")) return undefined;
  return { kinds, userIdPrefix, cursor };
}

async function store(file: string, place: StoredCursor): Promise<void> {
  const next = `${file}.next`;
  try {
    const handle = await open(next, "w", 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(place)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(next, file);
    await syncFolder(dirname(file));
  } catch (error) {
    throw new UserError(`cannot write ${file}: ${(error as Error).message}`);
  }
}

/** Without it, the renaming itself may be lost in a power cut. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
