import { isolated } from "../app/isolated.ts";

/**
 * What a caller noted, in short: the value of "for" or "reason", which the documents and this console
 * write, else the first pairs.
 */
export function shortMetadata(metadata: Readonly<Record<string, string>>): string {
  const forWhat = metadata["for"] ?? metadata["reason"];
  if (forWhat !== undefined) return cut(forWhat);
  const pairs = Object.entries(metadata).map(
    ([key, value]) => `${isolated(key)}: ${isolated(value)}`,
  );
  return pairs.length <= PAIRS
    ? cut(pairs.join(", "))
    : cut(`${pairs.slice(0, PAIRS).join(", ")}, …`);
}

const PAIRS = 2;
const LENGTH = 80;

/** By characters, of which some have two units. */
function cut(text: string): string {
  const characters = Array.from(text);
  return characters.length <= LENGTH ? text : `${characters.slice(0, LENGTH).join("")}…`;
}
