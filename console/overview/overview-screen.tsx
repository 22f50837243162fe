import { skipToken, useQuery } from "@connectrpc/connect-query";
import { Alert, Group, Stack, Title } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { useSession } from "../app/session.tsx";
import { ButtonLink } from "../parts/links.ts";
import { useTitle } from "../parts/title.ts";
import { ByDay } from "./day-section.tsx";
import { Expiring } from "./expiring.tsx";
import { Largest } from "./largest.tsx";
import { ByService } from "./service-section.tsx";
import { Standing } from "./standing.tsx";
import { useWords } from "./words.ts";

/** What all accounts have together, and what came and went of late. */
export function OverviewScreen() {
  const say = useWords();
  const { may } = useSession();
  useTitle(say("title"));
  return (
    <Stack gap="lg">
      <Title order={1} size="h2">
        {say("title")}
      </Title>
      {may("points.audit") ? <Overview /> : <Alert role="alert" title={say("noAudit")} />}
    </Stack>
  );
}

function Overview() {
  const say = useWords();
  const { ledger } = useSession();
  const prefix = ledger.caller?.userIdPrefix ?? "";
  // Whoever is kept to some users may not ask for what all have.
  const isOfAll = prefix === "";
  const asked = useQuery(LedgerService.method.getOverview, isOfAll ? {} : skipToken);
  return (
    <>
      {isOfAll ? <Standing asked={asked} /> : <Alert title={say("ofPrefix", { prefix })} />}
      <OfLate />
      {asked.data && <Expiring overview={asked.data} />}
      {asked.data && <Largest overview={asked.data} />}
    </>
  );
}

const DAYS = [30, 90] as const;

/** What came and went in the last days, as many as the address says. */
function OfLate() {
  const say = useWords();
  const { days: asked } = useSearch({ from: "/overview" });
  const days = DAYS.find((some) => String(some) === asked) ?? DAYS[0];
  return (
    <>
      <Group gap="xs" role="group" aria-label={say("days")}>
        {DAYS.map((some) => (
          <ButtonLink
            key={some}
            to="/overview"
            search={{ days: String(some) }}
            resetScroll={false}
            size="xs"
            variant={some === days ? "filled" : "default"}
            aria-current={some === days ? "true" : undefined}
          >
            {say("last", { count: some })}
          </ButtonLink>
        ))}
      </Group>
      <ByDay days={days} />
      <ByService days={days} />
    </>
  );
}
