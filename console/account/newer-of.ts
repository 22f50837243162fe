import type { Account } from "../../gen/points/v1/account_pb.ts";

/**
 * An account by the later of what was read and what its stream has said: while there is no stream, it
 * may be what was read. Of one entry both may tell; the stream also tells what falls due without one.
 */
export function newerOf(read: Account, watched: Account): Account {
  return read.sequence > watched.sequence ? read : watched;
}
