import { sequenceOf } from "../parts/sequence.ts";
import { type Act, ACTS } from "../parts/acts.ts";

/** What an act is about, by its address; undefined: the account alone. */
export type ActOn =
  | { readonly kind: "entry" | "lot" | "hold"; readonly sequence: bigint }
  | { readonly kind: "policy"; readonly name: string }
  | undefined;

/**
 * Reads the `of` of an address.
 *
 * @returns null if it should be a number and is none
 */
export function actOn(act: Act, of: string): ActOn | null {
  const kind = of === "" ? undefined : ACTS[act].of;
  if (kind === undefined) return undefined;
  if (kind === "policy") return { kind, name: of };
  const sequence = sequenceOf(of);
  return sequence === undefined ? null : { kind, sequence };
}
