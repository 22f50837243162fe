import { skipToken, useQuery } from "@connectrpc/connect-query";
import { Alert, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { type GetOverviewResponse, LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { refusalOf } from "../../src/client/refusal.ts";
import { useFormats } from "../app/formats.ts";
import { Loading } from "../parts/loading.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { Expiring } from "./expiring.tsx";
import { Largest } from "./largest.tsx";
import styles from "./overview.module.css";
import { Section } from "./section.tsx";
import { useWords } from "./words.ts";

/** What the last scan over all accounts found, around what is not from it. */
export function OfAllAccounts({
  isAllowed,
  children,
}: {
  /** Whoever is kept to some users may not ask. */
  readonly isAllowed: boolean;
  readonly children: ReactNode;
}) {
  const { data } = useQuery(LedgerService.method.getOverview, isAllowed ? {} : skipToken);
  return (
    <>
      {isAllowed && (data === undefined ? <NoScan /> : <Standing overview={data} />)}
      {children}
      {data && <Expiring overview={data} />}
      {data && <Largest overview={data} />}
    </>
  );
}

/** Why there is nothing of a scan. */
function NoScan() {
  const say = useWords();
  const { error, refetch } = useQuery(LedgerService.method.getOverview, {});
  if (error === null) return <Loading />;
  if (refusalOf(error)?.reason === "NOT_PROJECTED") return <Alert title={say("noScan")} />;
  return <RefusalNote error={error} onRetry={() => void refetch()} />;
}

function Standing({ overview }: { readonly overview: GetOverviewResponse }) {
  const say = useWords();
  const { points, instant } = useFormats();
  const { balance, frozen, debt, accounts, neverExpiring, asOf, endTime } = overview;
  const figures = [
    ["outstanding", balance + frozen],
    ["balance", balance],
    ["frozen", frozen],
    ["debt", debt],
    ["neverExpiring", neverExpiring],
    ["accounts", accounts],
  ] as const;
  return (
    <Section title={say("standing")}>
      <dl className={styles["figures"]}>
        {figures.map(([name, figure]) => (
          <div key={name}>
            <dt>{say(name)}</dt>
            <dd>{points(figure)}</dd>
          </div>
        ))}
      </dl>
      <Text size="sm" c="dimmed" mt="sm">
        {say("scanned", { from: instant(asOf!), to: instant(endTime!) })}
      </Text>
    </Section>
  );
}
