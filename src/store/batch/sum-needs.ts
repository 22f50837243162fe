import type { Command } from "../../ledger/command.ts";
import { type Ask, needsOf } from "../../ledger/needs.ts";
import type { RowKey } from "../driver/columns.ts";
import type { MemberOf } from "./policies.ts";

/** A refund's entry, and its points; undefined points: all that is left. */
export type RefundKey = RowKey & { readonly points: bigint | undefined };

/** What the commands of a batch need together: see `needsOf`. */
export type BatchNeeds = {
  /** What each command asks for, by user id, in the order of the users' first commands. */
  readonly asked: ReadonlyMap<string, readonly Ask[]>;
  /** The points that commands recharge, by user id; missing: none. */
  readonly recharged: ReadonlyMap<string, bigint>;
  /** The lots that commands expire or revoke. */
  readonly lots: readonly RowKey[];
  /** The lots of which commands revoke points. */
  readonly revoked: readonly RowKey[];
  readonly holds: readonly RowKey[];
  /** Whether commands must know when these holds were made. */
  readonly freezeTimes: boolean;
  readonly refunds: readonly RefundKey[];
  /** The entries whose hashes commands compare. */
  readonly guarded: readonly RowKey[];
  /** The members who spend. */
  readonly members: readonly MemberOf[];
  /** The users whose last receipt is needed. */
  readonly lastReceipts: ReadonlySet<string>;
};

/** Adds up what the commands of a batch need. */
export function sumNeeds(commands: readonly Command[]): BatchNeeds {
  const asked = new Map<string, Ask[]>();
  const recharged = new Map<string, bigint>();
  const lots: RowKey[] = [];
  const revoked: RowKey[] = [];
  const holds: RowKey[] = [];
  const refunds: RefundKey[] = [];
  const guarded: RowKey[] = [];
  const members: MemberOf[] = [];
  const lastReceipts = new Set<string>();
  let freezeTimes = false;
  for (const command of commands) {
    const { userId } = command;
    const needs = needsOf(command);
    const ofUser = asked.get(userId);
    const asks = needs.orGeneral ? [needs, { ...needs, service: null }] : [needs];
    if (ofUser === undefined) asked.set(userId, asks);
    else ofUser.push(...asks);
    if (needs.recharged > 0n) {
      recharged.set(userId, (recharged.get(userId) ?? 0n) + needs.recharged);
    }
    if (needs.lot !== undefined) lots.push({ userId, number: needs.lot });
    if (needs.lot !== undefined && needs.revokes) revoked.push({ userId, number: needs.lot });
    if (needs.hold !== undefined) holds.push({ userId, number: needs.hold });
    freezeTimes ||= needs.freezeTime;
    const { refund } = needs;
    if (refund !== undefined) refunds.push({ userId, number: refund.entry, points: refund.points });
    if (needs.guarded !== undefined) guarded.push({ userId, number: needs.guarded });
    if (needs.member !== "") members.push({ userId, member: needs.member });
    if (needs.lastReceipt) lastReceipts.add(userId);
  }
  const named = { lots, revoked, holds, refunds, guarded, members };
  return { asked, recharged, ...named, freezeTimes, lastReceipts };
}
