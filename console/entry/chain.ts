import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { GENESIS, isChained } from "../../src/client/check-journal.ts";

/** Whether this page can hash: browsers let pages do so over https and on the machine itself alone. */
export function canHash(): boolean {
  return (crypto as { readonly subtle?: unknown }).subtle !== undefined;
}

/** What an entry's place in the chain is; undefined: there is no such neighbour. */
export type Links = {
  /** Its hash is that of the hash before it and of its content. */
  readonly isOwnRight: boolean;
  /** The next entry's hash is that of this entry's hash and of that one's content. */
  readonly isNextRight: boolean | undefined;
};

/**
 * Checks an entry against its neighbours.
 *
 * @param before undefined: it is the first
 * @param after undefined: it is the last
 */
export async function checkLinks(
  entry: Entry,
  { before, after }: { readonly before: Entry | undefined; readonly after: Entry | undefined },
): Promise<Links> {
  const isFirst = entry.sequence === 1n && before === undefined;
  const isAfter = before?.sequence === entry.sequence - 1n;
  const isOwnRight =
    (isFirst || isAfter) && (await isChained(entry, before === undefined ? GENESIS : before.hash));
  const isNextRight = after && (await isChained(after, entry.hash));
  return { isOwnRight, isNextRight };
}
