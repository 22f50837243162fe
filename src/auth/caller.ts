import { type ContextKey, createContextKey } from "@connectrpc/connect";

/**
 * What a caller may do: read accounts, spend points that are there, give spent ones back, bring new
 * ones about, or take them away.
 */
export type Scope = (typeof SCOPES)[number];

/** All there are. */
export const SCOPES = [
  "points.read",
  "points.spend",
  "points.refund",
  "points.grant",
  "points.revoke",
] as const;

/** Who calls, and what they may do. */
export type Caller = {
  /** 1 to 128 printable ASCII characters without spaces, as in entries; empty: not known. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The user ids that they may touch begin with it; empty: all. */
  readonly userIdPrefix: string;
  /** How many points one operation of theirs may move; undefined: any number. */
  readonly maxPoints: bigint | undefined;
};

/** Whoever calls a server that asks nobody who they are. */
export const ANYBODY: Caller = { name: "", scopes: SCOPES, userIdPrefix: "", maxPoints: undefined };

/** Whoever calls what needs no name. */
export const NOBODY: Caller = { name: "", scopes: [], userIdPrefix: "", maxPoints: undefined };

/** Where a call's context has its caller. */
export const callerKey: ContextKey<Caller> = createContextKey(NOBODY);

/** How many points an operation may move, from what a person wrote; undefined: it is none of that. */
export function maxPointsOf(value: unknown): bigint | undefined {
  return Number.isSafeInteger(value) && (value as number) > 0 ? BigInt(value as number) : undefined;
}

/** Whether a text can be a caller's name. */
export function isCallerName(text: string): boolean {
  return /^[!-~]{1,128}$/.test(text);
}

/** Whether a text can be the beginning of user ids. */
export function isUserIdPrefix(text: string): boolean {
  return /^[!-~]{0,128}$/.test(text);
}
