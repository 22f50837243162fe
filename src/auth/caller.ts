import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * What a caller may do: read accounts, spend existing points, refund spent points, grant new
 * points, revoke points, set policies, or read all entries as a stream.
 */
export type Scope = (typeof SCOPES)[number];

/** All scopes. */
export const SCOPES = [
  "points.read",
  "points.spend",
  "points.refund",
  "points.grant",
  "points.revoke",
  "points.policy",
  "points.audit",
] as const;

/** A caller, and what they may do. */
export type Caller = {
  /** 1 to 128 printable ASCII characters without spaces, as in entries; empty: unknown. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** They may touch only user ids that begin with it; empty: all. */
  readonly userIdPrefix: string;
  /** How many points one operation of theirs may move; undefined: unlimited. */
  readonly maxPoints: bigint | undefined;
};

/** Every caller of a server without authentication. */
export const ANYBODY: Caller = { name: "", scopes: SCOPES, userIdPrefix: "", maxPoints: undefined };

/** The caller of a method that needs no credentials. */
export const NOBODY: Caller = { name: "", scopes: [], userIdPrefix: "", maxPoints: undefined };

/** The key of the caller in a call's context. */
export const callerKey: ContextKey<Caller> = createContextKey(NOBODY);

/** Reads a limit of points an operation: a whole number above 0; undefined if it is none. */
export function maxPointsOf(value: unknown): bigint | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? BigInt(value as number) : undefined;
}

/** Whether a text can be a caller's name. */
export function isCallerName(text: string): boolean {
  return /^[!-~]{1,128}$/.test(text);
}

/** Whether a text can be a prefix of user ids. */
export function isUserIdPrefix(text: string): boolean {
  return /^[!-~]{0,128}$/.test(text);
}
