import { sql } from "kysely";
import type { Micros } from "../ledger/time.ts";
import { fromTimestamptz } from "../store/driver/instant.ts";
import type { Run } from "../store/driver/transaction.ts";

/** Up to where the ledger's entries are there for good: no transaction under way can add one before. */
export type LedgerHorizon = {
  /** The ledger's name, a UUID. */
  readonly ledgerId: string;
  /** The last epoch, or if that has ended, the next; 0: there was none, and so no entry. */
  readonly epoch: bigint;
  readonly beginTime: Micros;
  /** The feed number below which they are. */
  readonly feed: bigint;
  /** The place in the WAL before which they were committed. */
  readonly lsn: bigint;
};

/** Reads the horizon of a snapshot: send it first. It can be read on a standby too. */
export async function readHorizon(run: Run): Promise<LedgerHorizon> {
  // The place in the WAL is asked for after the snapshot was taken, and so is behind what it shows.
  // A dump that was restored has entries whose numbers are of another cluster, and maybe higher than
  // its own transactions': the epoch that they are of has ended, and the first change begins the next.
  const { rows } = await run(sql<HorizonRow>`
    select ledger_id, coalesce(epoch, 0) + has_ended::integer as epoch,
      coalesce(begin_time, 'epoch') as begin_time,
      case when has_ended then 0 else pg_snapshot_xmin(pg_current_snapshot())::text::bigint end as feed,
      case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end
        - '0/0' as lsn
    from ledger left join (select * from epoch order by epoch desc limit 1) as last on true
    cross join lateral (
      select coalesce(last.system_identifier <> system_identifier, false) as has_ended
      from pg_control_system()
    ) as life`);
  const [row] = rows;
  return {
    ledgerId: row!.ledger_id,
    epoch: BigInt(row!.epoch),
    beginTime: fromTimestamptz(row!.begin_time),
    feed: BigInt(row!.feed),
    lsn: BigInt(row!.lsn),
  };
}

type HorizonRow = Record<"ledger_id" | "begin_time" | "feed" | "lsn", string> & { epoch: number };
