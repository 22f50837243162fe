import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Entry } from "../../gen/points/v1/account_pb.ts";

/** The balance from an instant on, in milliseconds since 1970. Only for pixels: it is rounded. */
export type Step = { readonly time: number; readonly balance: number };

/**
 * The balance over the time of the entries, oldest first, for a chart: at most some `max` steps. Of
 * many entries it keeps the lowest, the highest and the last balance of each stretch; of those of one
 * instant, such as a batch's, the last.
 *
 * @param entries newest first, none left out between them
 */
export function balanceSteps(entries: readonly Entry[], max = 600): readonly Step[] {
  const oldestFirst = lastOfInstants(entries.toReversed());
  const stretch = Math.max(1, Math.ceil(oldestFirst.length / (max / 3)));
  const kept: Entry[] = [];
  for (let at = 0; at < oldestFirst.length; at += stretch) {
    kept.push(
      ...(stretch < 3
        ? oldestFirst.slice(at, at + stretch)
        : extremes(oldestFirst.slice(at, at + stretch))),
    );
  }
  return kept.map((entry) => ({ time: timeOf(entry), balance: Number(entry.balanceAfter) }));
}

function lastOfInstants(oldestFirst: readonly Entry[]): readonly Entry[] {
  return oldestFirst.filter((entry, at) => {
    const next = oldestFirst[at + 1];
    return next === undefined || timeOf(next) !== timeOf(entry);
  });
}

function timeOf({ createTime }: Entry): number {
  return createTime === undefined ? 0 : timestampMs(createTime);
}

/** The first, the last, the lowest and the highest balance of entries, which are newest first. */
export function balanceRange(entries: readonly Entry[]) {
  const balances = entries.map(({ balanceAfter }) => balanceAfter);
  const least = balances.reduce((one, other) => (other < one ? other : one), balances[0] ?? 0n);
  const most = balances.reduce((one, other) => (other > one ? other : one), balances[0] ?? 0n);
  return { first: balances.at(-1) ?? 0n, last: balances[0] ?? 0n, least, most };
}

function extremes(entries: readonly Entry[]): readonly Entry[] {
  let [lowest, highest] = [entries[0]!, entries[0]!];
  for (const entry of entries) {
    if (entry.balanceAfter < lowest.balanceAfter) lowest = entry;
    if (entry.balanceAfter > highest.balanceAfter) highest = entry;
  }
  const kept = new Set([lowest, highest, entries.at(-1)!]);
  return entries.filter((entry) => kept.has(entry));
}
