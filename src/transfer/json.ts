import { BadLine } from "./bad-line.ts";

/**
 * Parses a line with a JSON object, without rounding or dropping anything: a number beyond 2^53
 * becomes a bigint.
 *
 * @throws {BadLine} if it is not an object, if an object in it repeats a key, or if a number in it
 * has more than digits, as 1.5 and 1e3 have
 */
export function parseJson(text: string): Readonly<Record<string, unknown>> {
  const kept = new Map<string, number>();
  const value = parse(text, kept);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new BadLine("is no JSON object");
  }
  requireOnce(text, kept);
  return value as Record<string, unknown>;
}

/** @param kept gets the count of each key in the parsed objects */
function parse(text: string, kept: Map<string, number>): unknown {
  function revive(this: object, key: string, value: unknown, context?: { source?: string }) {
    if (!Array.isArray(this)) kept.set(key, (kept.get(key) ?? 0) + 1);
    return typeof value === "number" ? exactly(key, value, context?.source ?? "") : value;
  }
  try {
    return JSON.parse(text, revive);
  } catch (error) {
    if (error instanceof BadLine) throw error;
    throw new BadLine(`is no JSON: ${(error as Error).message}`);
  }
}

function exactly(key: string, value: number, source: string): number | bigint {
  if (!/^(0|-?[1-9]\d*)$/.test(source)) {
    throw new BadLine(`${key || "the line"} ${source} is not written in digits alone`);
  }
  return Number.isSafeInteger(value) ? value : BigInt(source);
}

/** In JSON, a string before a colon is a key. JSON.parse keeps only the last of equal keys. */
function requireOnce(text: string, kept: ReadonlyMap<string, number>): void {
  const written = new Map<string, number>();
  for (const [, key, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:?)/g)) {
    if (colon === "") continue;
    const name = JSON.parse(key!) as string;
    const times = (written.get(name) ?? 0) + 1;
    written.set(name, times);
    if (times > (kept.get(name) ?? 0)) throw new BadLine(`${name} is there twice`);
  }
}
