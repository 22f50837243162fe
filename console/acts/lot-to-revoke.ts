import { madePoints } from "../parts/made-points.ts";
import type { Opened } from "./mutation.ts";

/** What of a lot is not revoked yet, and what of that is there now; undefined: it is about no lot. */
export function lotToRevoke({ about, lot }: Pick<Opened, "about" | "lot">) {
  if (about?.entry === undefined) return undefined;
  return { left: madePoints(about.entry) - about.revoked, there: lot?.remaining ?? 0n };
}
