import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** What an export says of an entry, as far as a report needs it. */
type Exported = {
  readonly userId: string;
  readonly sequence: string;
  readonly kind: string;
  readonly createTime: string;
  readonly refersTo?: string;
  readonly category?: string;
  readonly usage?: { readonly service: string };
  readonly balanceAfter?: string;
  readonly frozenAfter?: string;
  readonly debtAfter?: string;
  readonly repaid?: string;
};

/** Entries, held and debt; held and debt as changes, but of "opening" and "closing". */
type Figures = [entries: bigint, held: bigint, debt: bigint];

/**
 * The report of a time by a replay of a whole export, whose entries are in order of user and sequence:
 * what each entry changed is the difference of the figures after it and after the one before. It shares
 * nothing with `points report`.
 *
 * @param start and `end`, as an export writes instants: they are compared as texts
 * @returns the figures of each line, such as "consumed tts", in order of their names
 */
export async function naiveReport(
  file: string,
  start: string,
  end: string,
): Promise<Map<string, Figures>> {
  const lines = new Map<string, Figures>();
  const add = (line: string, ...[entries, held, debt]: Figures) => {
    const [e, h, d] = lines.get(line) ?? [0n, 0n, 0n];
    lines.set(line, [e + entries, h + held, d + debt]);
  };
  let user = "";
  let [held, debt] = [0n, 0n];
  let services = new Map<string, string>();
  for await (const text of createInterface({ input: createReadStream(file) })) {
    const entry = JSON.parse(text) as Exported;
    const { userId, sequence, kind, createTime } = entry;
    if (userId !== user) [user, held, debt, services] = [userId, 0n, 0n, new Map()];
    const service = entry.usage?.service ?? services.get(entry.refersTo ?? "") ?? "";
    services.set(sequence, service);
    const heldAfter = BigInt(entry.balanceAfter ?? 0) + BigInt(entry.frozenAfter ?? 0);
    const debtAfter = BigInt(entry.debtAfter ?? 0);
    const [gained, owed] = [heldAfter - held, debtAfter - debt];
    [held, debt] = [heldAfter, debtAfter];
    if (createTime >= end) continue;
    add("closing", 1n, gained, owed);
    if (createTime < start) {
      add("opening", 1n, gained, owed);
      continue;
    }
    const back = kind === SETTLE || kind === RELEASE ? BigInt(entry.repaid ?? 0) : 0n;
    add(lineOf(kind, service, entry.category ?? ""), 1n, gained + back, owed + back);
    if (back > 0n) add("repaid from holds", 0n, -back, -back);
  }
  return new Map([...lines].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const SETTLE = "ENTRY_KIND_SETTLE";
const RELEASE = "ENTRY_KIND_RELEASE";

function lineOf(kind: string, service: string, category: string): string {
  switch (kind) {
    case "ENTRY_KIND_RECHARGE":
      return `issued ${category}`.trimEnd();
    case "ENTRY_KIND_REFUND":
      return `refunded ${service}`.trimEnd();
    case "ENTRY_KIND_CONSUME":
    case SETTLE:
      return `consumed ${service}`.trimEnd();
    case "ENTRY_KIND_EXPIRE":
      return "expired";
    case "ENTRY_KIND_REVOKE":
      return "revoked";
    default:
      return "other entries";
  }
}
