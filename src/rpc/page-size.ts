import type { Entry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1_000;

/** The most items that a page may have. */
export function pageSizeOf({ pageSize }: { readonly pageSize: number }): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

// Upper bounds of sizes in protobuf: names have 128 bytes, numbers 10, and each its tag.
const REST_MAX_BYTES = 1_024;
const ALLOCATION_MAX_BYTES = 26;
const PAIR_MAX_BYTES = 8;

/**
 * Takes as many items from the start as fit into an answer, and one in any case. A page may be
 * shorter than asked for, but must not be too large to be sent.
 */
export function fitting<T extends Entry | Hold>(
  things: readonly T[],
  maxBytes: number,
): readonly T[] {
  let bytes = 0;
  const firstTooMany = things.findIndex((thing, index) => {
    bytes += mostBytes(thing);
    return bytes > maxBytes && index > 0;
  });
  return firstTooMany === -1 ? things : things.slice(0, firstTooMany);
}

function mostBytes(thing: Entry | Hold): number {
  let bytes = REST_MAX_BYTES + thing.allocations.length * ALLOCATION_MAX_BYTES;
  if (!("metadata" in thing)) return bytes;
  bytes += Buffer.byteLength(thing.actor);
  for (const [key, value] of thing.metadata) {
    bytes += PAIR_MAX_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes;
}
