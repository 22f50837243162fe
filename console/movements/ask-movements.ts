import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import {
  GroupBy,
  type LedgerService,
  type SummarizeResponse,
} from "../../gen/points/v1/ledger_pb.ts";
import type { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Range } from "./range.ts";
import { type Movements, movementsOf } from "./movements.ts";

/** Movements, and what is known of their parts. */
export type Answer = Movements & {
  readonly sums: SummarizeResponse | undefined;
  /** Why there are no sums, if they were asked for. */
  readonly sumsError: unknown;
};

/** Who answers: clients of two services, or one of both. */
export type Asked = Pick<Client<typeof PointsService>, "getAccount"> &
  Pick<Client<typeof LedgerService>, "summarize">;

/**
 * Asks for an account at both ends of a range, and for the sums between them.
 *
 * The sums come first: of what happens meanwhile, the account then has more, which is shown as not yet
 * in the sums.
 */
export async function askMovements(
  { getAccount, summarize }: Asked,
  {
    user,
    range,
    withSums,
  }: {
    readonly user: string;
    readonly range: Pick<Range, "start" | "end">;
    /** False: the caller may not ask for sums. */
    readonly withSums: boolean;
  },
): Promise<Answer> {
  const { start, end } = range;
  let sums: SummarizeResponse | undefined;
  let sumsError: unknown;
  try {
    if (withSums) {
      sums = await summarize({
        of: { case: "userId", value: user },
        groupBy: [GroupBy.KIND, GroupBy.SERVICE, GroupBy.CATEGORY],
        ...(start && { startTime: timestampFromDate(start) }),
        ...(end && { endTime: timestampFromDate(end) }),
      });
    }
  } catch (error) {
    sumsError = error;
  }
  const at = (asOf: Timestamp | undefined) => accountAt(getAccount, user, asOf);
  const [first, last] = await Promise.all([
    start === undefined ? undefined : at(justBefore(start)),
    at(end && justBefore(end)),
  ]);
  return { ...movementsOf(first, last, sums?.sums), sums, sumsError };
}

/** The account at an instant, by default now. Undefined: there was none yet. */
async function accountAt(
  getAccount: Asked["getAccount"],
  userId: string,
  asOf: Timestamp | undefined,
): Promise<Account | undefined> {
  try {
    return (await getAccount({ userId, ...(asOf && { asOf }) })).account;
  } catch (error) {
    if (asOf !== undefined && ConnectError.from(error).code === Code.NotFound) return undefined;
    throw error;
  }
}

/**
 * An account is as its entries up to an instant left it, that instant included; a range has the entries
 * from its start on. So it begins with what there was a microsecond before.
 */
function justBefore(date: Date): Timestamp {
  return { ...timestampFromDate(new Date(date.getTime() - 1)), nanos: 999_999_000 };
}
