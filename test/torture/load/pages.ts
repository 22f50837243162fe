import type { Points } from "../deployment/targets.ts";

const PAGES_MAX = 6;

/**
 * Reads some pages of a journal while it is written, and checks the keyset cursor: newest first,
 * without gaps and duplicates.
 *
 * @throws the errors of the calls
 */
export async function walkPages(
  points: Points,
  userId: string,
  pageSize: number,
  onWrong: (what: string) => void,
): Promise<void> {
  let next: bigint | undefined;
  let pageToken = "";
  for (let page = 1; page <= PAGES_MAX; page += 1) {
    const { entries, nextPageToken } = await points.listEntries(
      { userId, pageSize, pageToken },
      { timeoutMs: 15_000 },
    );
    for (const { sequence } of entries) {
      if (next !== undefined && sequence !== next) {
        onWrong(`${userId}: a list of entries goes on with ${sequence} instead of ${next}`);
      }
      next = sequence - 1n;
    }
    if (nextPageToken === "") {
      if (next !== undefined && next !== 0n) onWrong(`${userId}: a list ends before entry ${next}`);
      return;
    }
    pageToken = nextPageToken;
  }
}
