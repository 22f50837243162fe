import type { Leaf, Root } from "../verify/root.ts";

/** A root, and the cursor of the stream as of which it is. */
export type DatedRoot = { readonly root: Root; readonly cursor: string };

/** The line that `points root` prints. */
export function rootLine({ root: { hash, accounts, entries }, cursor }: DatedRoot): string {
  return `root ${hexOf(hash)} accounts ${accounts} entries ${entries} cursor ${cursor}`;
}

/** The root in a text that has its line; undefined: it has none, or several. */
export function parseRoot(text: string): DatedRoot | undefined {
  const [found, ...others] = text.matchAll(LINE);
  if (found === undefined || others.length > 0) return undefined;
  const [, hash, accounts, entries, cursor] = found as unknown as readonly string[];
  const root = {
    hash: Buffer.from(hash!, "hex"),
    accounts: BigInt(accounts!),
    entries: BigInt(entries!),
  };
  return { root, cursor: cursor! };
}

const LINE = /^root ([0-9a-f]{64}) accounts (\d{1,19}) entries (\d{1,19}) cursor (\S{1,1024})$/gm;

/** An account's line in the file of `--accounts`, with its end. */
export function leafLine({ digest, sequence, hash }: Leaf): string {
  return `${hexOf(digest)} ${sequence} ${hexOf(hash)}\n`;
}

/** Reads an account's line; undefined: it is none. */
export function parseLeaf(line: string): Leaf | undefined {
  const [, digest, sequence, hash] = LEAF.exec(line) ?? [];
  if (digest === undefined) return undefined;
  return {
    digest: Buffer.from(digest, "hex"),
    sequence: BigInt(sequence!),
    hash: Buffer.from(hash!, "hex"),
  };
}

const LEAF = /^([0-9a-f]{64}) ([1-9]\d{0,18}) ([0-9a-f]{64})$/;

/** Bytes as hexadecimal digits. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
