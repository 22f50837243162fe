import { Table, Text } from "@mantine/core";
import { GroupBy } from "../../gen/points/v1/ledger_pb.ts";
import { useFormats } from "../app/formats.ts";
import { Awaited } from "../parts/awaited.tsx";
import { CaughtUp } from "../parts/caught-up.tsx";
import { useMoveNames } from "../parts/move-names.ts";
import { WideTable } from "../parts/wide-table.tsx";
import { byService, type ServiceUse } from "./by-service.ts";
import styles from "./overview.module.css";
import { Section } from "../parts/section.tsx";
import { ShareBar } from "./share-bar.tsx";
import { useSumsOfDays } from "./sums-of-days.ts";
import { useWords } from "./words.ts";

const BY_SERVICE_AND_KIND = [GroupBy.KIND, GroupBy.SERVICE];
const MOST_SERVICES = 20;

/** The services that most points were consumed for in the last days. */
export function ByService({ days }: { readonly days: number }) {
  const say = useWords();
  const asked = useSumsOfDays(days, BY_SERVICE_AND_KIND);
  return (
    <Section title={say("services", { count: days })}>
      <Awaited of={asked}>
        {({ sums, caughtUpTo }) => (
          <>
            <Services uses={byService(sums).slice(0, MOST_SERVICES)} />
            <CaughtUp upTo={caughtUpTo} />
          </>
        )}
      </Awaited>
    </Section>
  );
}

function Services({ uses }: { readonly uses: readonly ServiceUse[] }) {
  const say = useWords();
  const nameOf = useMoveNames();
  const { points } = useFormats();
  if (uses.length === 0) return <Text size="sm">{say("noServices")}</Text>;
  const most = uses[0]!.consumed;
  return (
    <WideTable caption={say("service")}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th scope="col">{say("service")}</Table.Th>
          <Table.Th scope="col" ta="right">
            {nameOf("consumed")}
          </Table.Th>
          <Table.Td className={styles["share"]} />
          <Table.Th scope="col" ta="right">
            {say("charges")}
          </Table.Th>
          <Table.Th scope="col" ta="right">
            {nameOf("refunded")}
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {uses.map(({ service, consumed, entries, refunded }) => (
          <Table.Tr key={service}>
            <Table.Th scope="row" fw={400} className={styles["anywhere"]}>
              {service || say("noService")}
            </Table.Th>
            <Table.Td ta="right">{points(consumed)}</Table.Td>
            <Table.Td>
              <ShareBar points={consumed} of={most} />
            </Table.Td>
            <Table.Td ta="right">{points(entries)}</Table.Td>
            <Table.Td ta="right">{points(refunded)}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </WideTable>
  );
}
