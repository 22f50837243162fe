/** Numbers of accounts and entries, in words: "1 account, 1,024 entries". */
export function countsText(counts: {
  readonly accounts: number | bigint;
  readonly entries: number | bigint;
}): string {
  const { accounts, entries } = counts;
  return `${countText(accounts, "account", "accounts")}, ${countText(entries, "entry", "entries")}`;
}

/** A number of things, in words. */
export function countText(many: number | bigint, one: string, more: string): string {
  return `${many.toLocaleString("en")} ${BigInt(many) === 1n ? one : more}`;
}
