/** The most that an int64 holds: no entry has a higher number. */
const MAX = 2n ** 63n - 1n;

/** The number of an entry, a lot or a hold, as an address or the box has it; undefined: it is none. */
export function sequenceOf(text: string): bigint | undefined {
  if (!/^[1-9]\d{0,18}$/.test(text)) return undefined;
  const sequence = BigInt(text);
  return sequence <= MAX ? sequence : undefined;
}
