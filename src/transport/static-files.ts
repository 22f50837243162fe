import { hash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname } from "node:path";

/** A file that is served, as it is sent. */
export type StaticFile = {
  readonly type: string;
  /** It may be kept for ever: its name has a hash of what is in it. */
  readonly isImmutable: boolean;
  /** Of its content, for an ETag. */
  readonly digest: string;
  readonly body: Buffer;
  /** The same compressed, by the name that HTTP has for it: those that the build made. */
  readonly compressed: Readonly<Partial<Record<Encoding, Buffer>>>;
};

/** The smaller one first. */
export const ENCODINGS = ["br", "gzip"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/**
 * Reads all files of a folder into memory, so that an upgrade that replaces the folder, or a client
 * that goes away in the middle, leaves no half answer and no open file.
 *
 * @returns the files by their paths below the folder, with slashes
 * @throws if the folder cannot be read
 */
export async function readStaticFiles(folder: string): Promise<ReadonlyMap<string, StaticFile>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const bodies = new Map<string, Buffer>();
  for (const entry of found.filter((one) => one.isFile())) {
    const path = `${entry.parentPath}/${entry.name}`;
    bodies.set(path.slice(folder.length + 1), await readFile(path));
  }
  const files = new Map<string, StaticFile>();
  for (const [path, body] of bodies) {
    const type = TYPES[extname(path)];
    if (type === undefined) continue;
    const [br, gzip] = [bodies.get(`${path}.br`), bodies.get(`${path}.gz`)];
    const compressed = { ...(br && { br }), ...(gzip && { gzip }) };
    const digest = hash("sha256", body, "base64url").slice(0, 22);
    const isImmutable = path.startsWith("assets/");
    files.set(path, { type, isImmutable, digest, body, compressed });
  }
  return files;
}

/** Files of other types are not served. */
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
