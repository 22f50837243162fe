import { Table } from "@mantine/core";
import { useFormats } from "../app/formats.ts";
import { WideTable } from "../parts/wide-table.tsx";
import styles from "./act.module.css";
import { FIGURES, type Figures } from "./entry-alone.ts";
import { useWords } from "./words.ts";

/** The figures of an account before and after: the balance, and those that change. */
export function BeforeAndAfter({
  before,
  after,
}: {
  readonly before: Figures;
  readonly after: Figures;
}) {
  const say = useWords();
  const { points, change } = useFormats();
  const shown = FIGURES.filter(
    (figure) => figure === "balance" || after[figure] !== before[figure],
  );
  return (
    <div className={styles["figures"]}>
      <WideTable caption={say("beforeAndAfter")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{say("figure")}</Table.Th>
            <Table.Th>{say("before")}</Table.Th>
            <Table.Th>{say("change")}</Table.Th>
            <Table.Th>{say("after")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {shown.map((figure) => (
            <Table.Tr key={figure}>
              <Table.Th scope="row">{say(figure)}</Table.Th>
              <Table.Td>{points(before[figure])}</Table.Td>
              <Table.Td>{change(after[figure] - before[figure])}</Table.Td>
              <Table.Td className={styles["after"]}>{points(after[figure])}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </WideTable>
    </div>
  );
}
