import { createClient, Code, ConnectError } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Alert, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useSession } from "../app/session.tsx";
import { Awaited } from "../parts/awaited.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { OfAccount } from "../parts/of-account.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { useTitle } from "../parts/title.ts";
import { type Answer, askMovements } from "./ask-movements.ts";
import { ExpiredLotsOf } from "./expired-lots.tsx";
import { MovementsChart } from "./movements-chart.tsx";
import { MovementsTable } from "./movements-table.tsx";
import { type Range, rangeOf } from "./range.ts";
import { RangeForm } from "./range-form.tsx";
import { useWords } from "./words.ts";

/** What an account had at a day, where points came from, where they went, and what it had later. */
export function MovementsScreen() {
  const say = useWords();
  const { user } = useSearch({ from: "/movements" });
  useTitle(`${say("title")} ${user}`);
  return <OfAccount user={user}>{(account) => <MovementsOf account={account} />}</OfAccount>;
}

function MovementsOf({ account }: { readonly account: Account }) {
  const say = useWords();
  const { user, from, to } = useSearch({ from: "/movements" });
  // The ledger's clock may be ahead of the browser's: its last entry is never in the future.
  const last = timestampDate(account.updateTime!);
  const now = new Date(Math.max(Date.now(), last.getTime()));
  const range = rangeOf({ from, to }, now);
  return (
    <Stack gap="lg">
      <RangeForm user={user} range={range} asked={{ from, to }} now={now} />
      {range === undefined ? (
        <Alert role="alert" color="red" title={say("backwards")} />
      ) : (
        <Between user={user} range={range} />
      )}
    </Stack>
  );
}

function Between({ user, range }: { readonly user: string; readonly range: Range }) {
  const { may } = useSession();
  const transport = useTransport();
  const withSums = may("points.audit");
  const { from, to, end } = range;
  const asked = useQuery({
    queryKey: ["movements", user, from, to, end === undefined, withSums],
    queryFn: () => {
      const { getAccount } = createClient(PointsService, transport);
      const { summarize } = createClient(LedgerService, transport);
      return askMovements({ getAccount, summarize }, { user, range, withSums });
    },
  });
  return (
    <Awaited of={asked}>
      {(answer) => {
        const expired = answer.lines.find(({ name }) => name === "expired")!;
        return (
          <>
            <MovementsTable user={user} range={range} movements={answer} />
            <AboutSums answer={answer} withSums={withSums} />
            <MovementsChart movements={answer} />
            {expired.points !== 0n && (
              <ExpiredLotsOf user={user} range={range} points={-expired.points} />
            )}
          </>
        );
      }}
    </Awaited>
  );
}

/** How far the sums are, or why there are none. */
function AboutSums({ answer, withSums }: { readonly answer: Answer; readonly withSums: boolean }) {
  const say = useWords();
  const { sums, sumsError } = answer;
  if (sums !== undefined) return <CaughtUp upTo={sums.caughtUpTo} />;
  if (!withSums) return <Text size="sm">{say("noAudit")}</Text>;
  if (ConnectError.from(sumsError).code === Code.FailedPrecondition) {
    return <Alert title={say("notBuilt")} />;
  }
  return <RefusalNote error={sumsError} />;
}
