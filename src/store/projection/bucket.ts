import { sql } from "kysely";

/** The quarter of an hour of `create_time`, counted since 1970. */
export const BUCKET = sql`
  (date_part('epoch', date_bin('15 minutes', create_time, 'epoch')) / 900)::integer`;

/** The day of `create_time`, in UTC, counted likewise. */
export const DAY = sql`${BUCKET} / 96`;
