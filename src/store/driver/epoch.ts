import type { ClientBase } from "pg";

type Client = Pick<ClientBase, "query">;

/** The epochs of connections: a connection lives no longer than its epoch. */
const epochs = new WeakMap<Client, bigint>();

// Two servers may look at once. Then one of them inserts the row, and both find it.
const LOOKS = 3;

/**
 * The epoch of a connection: the number of the life of the cluster that it leads to. The first
 * transaction of a connection looks whether system identifier and timeline are still those of the
 * last epoch, which a restore or a promotion changes, and else begins the next one. (A snapshot of the
 * storage that was put back changes neither.)
 *
 * @throws an Error with code 25006 if the database takes no writes: it is looked at again next time
 */
export async function epochOf(client: Client): Promise<bigint> {
  const known = epochs.get(client);
  if (known !== undefined) return known;
  for (let looks = 0; looks < LOOKS; looks += 1) {
    const { rows } = await client.query<Looked>(LOOK);
    const { readonly, epoch } = rows[0]!;
    if (readonly) {
      throw Object.assign(new Error("the database takes no writes"), { code: "25006" });
    }
    if (epoch !== null) {
      epochs.set(client, BigInt(epoch));
      return BigInt(epoch);
    }
    await client.query(BEGIN);
  }
  throw new Error("the epoch that has begun is not there");
}

/** `epoch` is null if another life than the last epoch's has begun. */
type Looked = { readonly: boolean; epoch: number | null };

// A role needs no privilege for these functions. The first eight digits of a WAL file's name are the
// timeline. On a standby nobody may ask for it.
const LIFE = `
  select system_identifier,
    ('x' || substring(pg_walfile_name(pg_current_wal_lsn()) for 8))::bit(32)::integer as timeline
  from pg_control_system()`;
const LAST = "select * from epoch order by epoch desc limit 1";

const LOOK = `
  select state.readonly, case when not state.readonly then (
    select epoch from (${LAST}) as last join (${LIFE}) as life
      using (system_identifier, timeline)
  ) end as epoch
  from (select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as readonly)
    as state`;

// A PostgreSQL that was a standby, or was restored, says for as long as it runs what it replayed last:
// all that the epochs before have left. (A crash after the promotion and before anybody has looked
// would make that more.) In a cluster that a dump was restored to it would mean nothing.
//
// The shard's number times 65,536 comes before the count; there is one shard, 0.
const BEGIN = `
  insert into epoch (epoch, system_identifier, timeline, begin_time, fork_lsn)
  select coalesce((select epoch from (${LAST}) as last), 0) + 1, system_identifier, timeline,
    clock_timestamp(), case when system_identifier =
      (select system_identifier from (${LAST}) as last) then pg_last_wal_replay_lsn() end
  from (${LIFE}) as life
  where not exists (select from (${LAST}) as last where
    (last.system_identifier, last.timeline) = (life.system_identifier, life.timeline))
  on conflict (epoch) do nothing`;
