/** What a caller may have, as README.md says. */
export const SCOPES = [
  "points.read",
  "points.spend",
  "points.refund",
  "points.grant",
  "points.revoke",
  "points.policy",
  "points.audit",
] as const;
export type Scope = (typeof SCOPES)[number];
