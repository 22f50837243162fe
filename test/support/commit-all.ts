import { LATER } from "../../src/commit/batcher.ts";
import { commit, type Result } from "../../src/commit/commit.ts";

/** Commits commands as a lane does: commands answered LATER are repeated until all have a result. */
export async function commitAll(
  ...[orm, commands, ...rest]: Parameters<typeof commit>
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let left = commands.map((command, index) => ({ command, index }));
  while (left.length > 0) {
    const batch = left;
    const came = await commit(
      orm,
      batch.map(({ command }) => command),
      ...rest,
    );
    left = batch.filter((_, at) => came[at] === LATER);
    for (const [at, { index }] of batch.entries()) {
      const result = came[at]!;
      if (result !== LATER) results[index] = result;
    }
  }
  return results;
}
