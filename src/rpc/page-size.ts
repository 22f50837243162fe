import type { Entry } from "../ledger/entry.ts";
import type { Hold } from "../ledger/hold.ts";

const DEFAULT_PAGE_SIZE = 50;
const MAX_PAGE_SIZE = 1_000;

/** How many items a page has at most. */
export function pageSizeOf({ pageSize }: { readonly pageSize: number }): number {
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

// Bounds of what protobuf makes of things: names of 128 bytes, figures of 10, and their tags.
const REST_MAX_BYTES = 1_024;
const ALLOCATION_MAX_BYTES = 26;
const PAIR_MAX_BYTES = 8;

/**
 * As many from the start as fit into an answer together, and one in any case: a page may be
 * shorter than asked for, and must not be too large to be sent.
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
  for (const [key, value] of thing.metadata) {
    bytes += PAIR_MAX_BYTES + Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  return bytes;
}
