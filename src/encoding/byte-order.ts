/**
 * Compares texts by their bytes in UTF-8, an order that every language can produce; negative: `a`
 * is first. JavaScript's own order, by UTF-16, puts characters past U+FFFF before U+E000 to U+FFFF.
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const [ofA, ofB] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (ofA !== ofB) return rank(ofA) - rank(ofB);
  }
  return a.length - b.length;
}

/** Ranks surrogates, which encode the characters past U+FFFF, after all other units. */
function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
