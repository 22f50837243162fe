// Figures for people. An unknown figure is a dash; in JSON it is null.

type Figure = number | null | undefined;

/** A whole number, with its digits grouped by three. */
export function whole(value: Figure): string {
  return isKnown(value) ? Math.round(value).toLocaleString("en") : NOT_KNOWN;
}

/** A number with three significant digits. */
export function short(value: Figure): string {
  if (!isKnown(value)) return NOT_KNOWN;
  return value >= 100 ? whole(value) : String(Number(value.toPrecision(3)));
}

/** Bytes as MB of 2^20 bytes, as in `ps`. */
export function megabytes(bytes: Figure): string {
  return isKnown(bytes) ? whole(bytes / 2 ** 20) : NOT_KNOWN;
}

const NOT_KNOWN = "–";

function isKnown(value: Figure): value is number {
  return typeof value === "number" && !Number.isNaN(value);
}
