import { createQueryOptions, useQuery as useCall, useTransport } from "@connectrpc/connect-query";
import { useQueries, useQuery } from "@tanstack/react-query";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { type GetEntryResponse, PointsService } from "../../gen/points/v1/points_pb.ts";
import { useLedgerNow } from "../parts/ledger-clock.ts";
import { LOTS_NAMED } from "./lots-phrase.ts";
import { instantOf } from "../parts/right-after.ts";
import { followersOf } from "./followers.ts";
import { madeLot } from "./fate.ts";
import { lotNumbered } from "../parts/lot-numbered.ts";
import type { KnownEntry } from "./known-entry.ts";

/** An entry by its number; undefined: no call. */
export function useEntry(user: string, sequence: bigint | undefined) {
  const by = { case: "sequence", value: sequence ?? 1n } as const;
  return useCall(
    PointsService.method.getEntry,
    { userId: user, by },
    { enabled: sequence !== undefined },
  );
}

/** How many of the entries about an entry are read: the newest, which closed a hold if any did. */
const REFERRING_READ = 1;

/**
 * What a sentence about an entry says.
 *
 * @returns undefined until all of it is read: a hold would be called open before its end is known
 */
export function useKnownEntry(
  response: GetEntryResponse & { readonly entry: Entry },
): KnownEntry | undefined {
  const { entry, refunded, revoked, claimed, referringEntries } = response;
  const now = useNow(entry.userId);
  const about = referringEntries.slice(0, REFERRING_READ);
  const lots = entry.allocations.slice(0, LOTS_NAMED).map(({ lot }) => lot);
  const named = [...lots, entry.refersTo].filter((n) => n !== 0n && n !== entry.sequence);
  const read = useEntries(entry.userId, [...new Set([...named, ...about])]);
  const aside = useAside(entry);
  const lot = useLot(entry);
  return (
    read &&
    aside &&
    lot && {
      ...aside,
      entry,
      lot: lot.known,
      refunded,
      revoked,
      claimed,
      others: read,
      referring: about.flatMap((sequence) => read.get(sequence) ?? []),
      now,
    }
  );
}

/** How many entries are looked through for the EXTEND entries of a hold, and for what followed. */
const LOOKED_THROUGH = 100;

/**
 * What a sentence about an entry says and neither it nor those that it names do. Each is asked for only
 * where it is said.
 *
 * @returns undefined until all of it is there or was refused
 */
function useAside(
  entry: Entry,
): Pick<KnownEntry, "extended" | "openHold" | "followed"> | undefined {
  const { kind, userId, createTime, refersTo, sequence } = entry;
  const extensions = useCall(
    PointsService.method.listEntries,
    { userId, kinds: [EntryKind.EXTEND], endTime: createTime!, pageSize: LOOKED_THROUGH },
    { enabled: kind === EntryKind.RELEASE },
  );
  const holds = useCall(
    PointsService.method.listHolds,
    { userId, openOnly: true, pageSize: 1_000 },
    { enabled: kind === EntryKind.FREEZE },
  );
  const followers = useCall(
    PointsService.method.listEntries,
    { userId, ...instantOf(createTime!), pageSize: LOOKED_THROUGH },
    { enabled: kind === EntryKind.RELEASE || kind === EntryKind.REFUND },
  );
  if ([extensions, holds, followers].some(({ isLoading }) => isLoading)) return undefined;
  const hold = holds.data?.holds.find(({ number }) => number === sequence);
  return {
    extended: extensions.data?.entries.find((one) => one.refersTo === refersTo)?.expireTime,
    openHold: hold ?? (holds.data?.nextPageToken === "" ? null : undefined),
    followed: followers.data && followersOf(entry, followers.data.entries),
  };
}

/** What the lot that an entry made still has: undefined until that is there or was refused. */
function useLot(entry: Entry): { readonly known: KnownEntry["lot"] } | undefined {
  const { userId, sequence } = entry;
  const isLot = madeLot(entry);
  const { data, isError } = useQuery({
    queryKey: ["connect-query", "lot", userId, String(sequence)],
    queryFn: async ({ signal }) =>
      (await lotNumbered(userId, sequence, signal)) ?? { remaining: 0n, frozen: 0n },
    enabled: isLot,
  });
  return data !== undefined || isError || !isLot ? { known: data } : undefined;
}

/** @returns undefined until each is there or was refused */
function useEntries(
  userId: string,
  sequences: readonly bigint[],
): ReadonlyMap<bigint, Entry> | undefined {
  const transport = useTransport();
  const answers = useQueries({
    queries: sequences.map((value) => {
      const by = { case: "sequence", value } as const;
      return createQueryOptions(PointsService.method.getEntry, { userId, by }, { transport });
    }),
  });
  if (answers.some(({ isPending }) => isPending)) return undefined;
  const entries = answers.flatMap(({ data }) => data?.entry ?? []);
  return new Map(entries.map((entry) => [entry.sequence, entry]));
}

/** The number of the account's last entry; undefined: not known yet, or not to be had for an error. */
export function useLastSequence(user: string) {
  const { data, error } = useCall(PointsService.method.getAccount, { userId: user });
  return { last: data?.account?.sequence, error };
}

/** Seconds since 1970 by the ledger's clock: see `useLedgerNow`. */
export function useNow(user: string): bigint {
  const { data } = useCall(PointsService.method.getAccount, { userId: user });
  return BigInt(Math.floor(useLedgerNow(data?.account?.updateTime) / 1_000));
}

/** The last erasure after an entry, which took away what was personal in it. */
export function useErasure(user: string, sequence: bigint): bigint | undefined {
  const { data } = useCall(PointsService.method.listEntries, {
    userId: user,
    kinds: [EntryKind.ERASE],
    pageSize: 1,
  });
  const erasure = data?.entries[0]?.sequence ?? 0n;
  return erasure > sequence ? erasure : undefined;
}
