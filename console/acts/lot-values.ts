import type { Reading } from "./values.ts";

/** What a form says of the lots that it makes. */
export function categoryOf(read: Reading): string {
  return read.text("category", { chars: 32 });
}

/** Names with blanks or commas between them. */
export function servicesOf(read: Reading): string[] {
  const names = new Set(
    read
      .text("services", { bytes: 512 })
      .split(/[\s,，、]+/)
      .filter(Boolean),
  );
  if (names.size > 16) read.fault("services", "tooMany", 16n);
  if ([...names].some((name) => !/^[!-~]{1,128}$/.test(name))) read.fault("services", "plain");
  return [...names];
}
