import { Alert, Group, Stack, Title } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { useSession } from "../app/session.tsx";
import { ButtonLink } from "../parts/links.ts";
import { useTitle } from "../parts/title.ts";
import { ByDay } from "./day-section.tsx";
import { OfAllAccounts } from "./of-all-accounts.tsx";
import { ByService } from "./service-section.tsx";
import { useWords } from "./words.ts";

/** What all accounts have together, and what came and went of late. */
export function OverviewScreen() {
  const say = useWords();
  const { may, ledger } = useSession();
  const prefix = ledger.caller?.userIdPrefix ?? "";
  useTitle(say("title"));
  return (
    <Stack gap="lg">
      <Title order={1} size="h2">
        {say("title")}
      </Title>
      {!may("points.audit") && <Alert role="alert" title={say("noAudit")} />}
      {may("points.audit") && (
        <>
          {prefix !== "" && <Alert title={say("ofPrefix", { prefix })} />}
          <OfAllAccounts isAllowed={prefix === ""}>
            <OfLate />
          </OfAllAccounts>
        </>
      )}
    </Stack>
  );
}

const DAYS = [30, 90] as const;

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
