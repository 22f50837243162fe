import { Alert, Text } from "@mantine/core";
import type { GetOverviewResponse } from "../../gen/points/v1/ledger_pb.ts";
import { refusalOf } from "../../src/client/refusal.ts";
import { useFormats } from "../app/formats.ts";
import { Awaited } from "../parts/awaited.tsx";
import styles from "./overview.module.css";
import { Section } from "../parts/section.tsx";
import { useWords } from "./words.ts";

/** What all accounts have together by the last scan over them, or why that is not known. */
export function Standing({
  asked,
}: {
  readonly asked: Parameters<typeof Awaited<GetOverviewResponse>>[0]["of"];
}) {
  const say = useWords();
  if (asked.data === undefined && refusalOf(asked.error)?.reason === "NOT_PROJECTED") {
    return <Alert title={say("noScan")} />;
  }
  return <Awaited of={asked}>{(overview) => <Figures overview={overview} />}</Awaited>;
}

function Figures({ overview }: { readonly overview: GetOverviewResponse }) {
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
            {name === "outstanding" && (
              <dd className={styles["formula"]}>{say("outstandingIs")}</dd>
            )}
          </div>
        ))}
      </dl>
      <Text size="sm" c="dimmed" mt="sm">
        {say("scanned", { from: instant(asOf!), to: instant(endTime!) })}
      </Text>
    </Section>
  );
}
