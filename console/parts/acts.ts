/**
 * The acts of the console: the right that each needs, and what its `of` names. Without `of`, revoke
 * and expire take points of any lots, and policy sets a new one.
 */
export const ACTS = {
  refund: { scope: "points.refund", of: "entry", needsOf: true },
  recharge: { scope: "points.grant", of: undefined, needsOf: false },
  revoke: { scope: "points.revoke", of: "lot", needsOf: false },
  expire: { scope: "points.revoke", of: "lot", needsOf: false },
  release: { scope: "points.spend", of: "hold", needsOf: true },
  policy: { scope: "points.policy", of: "policy", needsOf: false },
  "delete-policy": { scope: "points.policy", of: "policy", needsOf: true },
} as const;

export type Act = keyof typeof ACTS;

export function isAct(name: string): name is Act {
  return Object.hasOwn(ACTS, name);
}
