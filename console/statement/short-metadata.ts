/**
 * What a caller noted, in short: the pair "for" by its value, which is what the documents call it,
 * else the first pairs.
 */
export function shortMetadata(metadata: Readonly<Record<string, string>>): string {
  const forWhat = metadata["for"];
  if (forWhat !== undefined) return cut(forWhat);
  const pairs = Object.entries(metadata).map(([key, value]) => `${key}: ${value}`);
  return pairs.length <= PAIRS
    ? cut(pairs.join(", "))
    : cut(`${pairs.slice(0, PAIRS).join(", ")}, …`);
}

const PAIRS = 2;
const LENGTH = 80;

/** By characters, of which some have two units. */
function cut(text: string): string {
  const characters = [...text];
  return characters.length <= LENGTH ? text : `${characters.slice(0, LENGTH).join("")}…`;
}
