import {
  type GetOverviewResponse,
  GetOverviewResponseSchema,
} from "../../gen/points/v1/ledger_pb.ts";
import { readArguments } from "./arguments.ts";
import { asJson, CLIENT_OPTIONS, printJson, withClient } from "./client.ts";
import { countText } from "./counts-text.ts";
import { table } from "./table.ts";
import { timeText } from "./time-text.ts";

/** How many of the largest accounts the table shows. --json has all that the answer has. */
const LARGEST_MAX = 10;

/** `points overview`: prints what all accounts together had at the last scan. */
export async function runOverview(args: readonly string[]): Promise<void> {
  const { values } = readArguments(args, CLIENT_OPTIONS, []);
  await withClient(values.server, async (_, __, ledger) => {
    const answer = await ledger.getOverview({});
    if (values.json === true) return printJson(asJson(GetOverviewResponseSchema, answer));
    const parts = [figuresTable(answer), expiringTable(answer)];
    if (answer.largest.length > 0) parts.push(largestTable(answer));
    const { asOf, endTime } = answer;
    parts.push(`As of ${timeText(asOf)} to ${timeText(endTime)} (UTC), when the scan ended.`);
    console.log(parts.join("\n\n"));
  });
}

function figuresTable({ accounts, balance, frozen, debt }: GetOverviewResponse): string {
  return table(
    [{ title: countText(accounts, "account", "accounts") }, { title: "points", toRight: true }],
    [
      ["balance", String(balance)],
      ["frozen", String(frozen)],
      ["outstanding", String(balance + frozen)],
      ["debt", String(debt)],
    ],
  );
}

function expiringTable({ expiring, expiringLater, neverExpiring }: GetOverviewResponse): string {
  return table(
    [{ title: "expires in the week of (UTC)" }, { title: "points", toRight: true }],
    [
      ...expiring.map(({ startTime, points }) => [timeText(startTime), String(points)]),
      ["later", String(expiringLater)],
      ["never", String(neverExpiring)],
    ],
  );
}

function largestTable({ largest }: GetOverviewResponse): string {
  return table(
    [
      { title: "largest" },
      { title: "balance", toRight: true },
      { title: "frozen", toRight: true },
      { title: "debt", toRight: true },
    ],
    largest
      .slice(0, LARGEST_MAX)
      .map(({ userId, balance, frozen, debt }) => [userId, ...[balance, frozen, debt].map(String)]),
  );
}
