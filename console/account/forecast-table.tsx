import { Button, Table } from "@mantine/core";
import { useState } from "react";
import type { Forecast } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { isolated } from "../app/isolated.ts";
import styles from "./account.module.css";
import { WideTable } from "../parts/wide-table.tsx";
import { Instant } from "../parts/instant.tsx";
import { type Flow, flowsOf } from "./forecast-flows.ts";
import { useForecastWords } from "./words.ts";

const FIRST_ROWS = 12;

/** What happens by itself, instant by instant. */
export function ForecastTable({
  forecasts,
  now,
}: {
  readonly forecasts: readonly Forecast[];
  /** The account's figures before all of that. */
  readonly now: Pick<Forecast, "balance" | "debt">;
}) {
  const say = useForecastWords();
  const { points } = useFormats();
  const [isWhole, setIsWhole] = useState(false);
  const shown = isWhole ? forecasts : forecasts.slice(0, FIRST_ROWS);
  const flows = flowsOf(forecasts, now);
  const hasDebt = forecasts.some(({ debt }) => debt > 0n);
  return (
    <>
      <WideTable caption={say("table")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{say("when")}</Table.Th>
            <Table.Th>{say("what")}</Table.Th>
            <Table.Th className={styles["numbers"]}>{say("balanceAfter")}</Table.Th>
            {hasDebt && <Table.Th className={styles["numbers"]}>{say("debtAfter")}</Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((forecast, at) => (
            // Instants are told apart to the microsecond, which a key of milliseconds is not.
            // oxlint-disable-next-line react/no-array-index-key
            <Table.Tr key={at}>
              <Table.Td>
                <Instant time={forecast.time!} />
              </Table.Td>
              <Table.Td>
                <What forecast={forecast} flow={flows[at]!} />
              </Table.Td>
              <Table.Td className={styles["numbers"]}>{points(forecast.balance)}</Table.Td>
              {hasDebt && (
                <Table.Td className={styles["numbers"]}>{points(forecast.debt)}</Table.Td>
              )}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </WideTable>
      {shown.length < forecasts.length && (
        <Button mt="xs" variant="default" size="xs" onClick={() => setIsWhole(true)}>
          {say("moreRows", { count: forecasts.length })}
        </Button>
      )}
    </>
  );
}

function What({ forecast, flow }: { readonly forecast: Forecast; readonly flow: Flow }) {
  const say = useForecastWords();
  const { points } = useFormats();
  const { expired, granted, released, allowances } = forecast;
  const parts = [
    released > 0n && say("release", { points: points(released) }),
    expired > 0n && say("expire", { points: points(expired), count: Number(expired) }),
    granted > 0n &&
      say("grant", { points: points(granted), allowances: allowances.map(isolated).join(", ") }),
    flow.taken > 0n && say("taken", { points: points(flow.taken) }),
    flow.repaid > 0n && say("repaid", { points: points(flow.repaid) }),
  ].filter((part) => part !== false);
  return parts.map((part) => <div key={part}>{part}</div>);
}
