import { Table } from "@mantine/core";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import styles from "./act.module.css";
import { useWords } from "./words.ts";

const FIGURES = [
  "balance",
  "frozen",
  "debt",
  "totalRecharged",
  "totalConsumed",
  "totalExpired",
  "totalRefunded",
  "totalRevoked",
] as const;

/**
 * The figures of an account before and after: the balance, and those that change.
 *
 * @param before null: there is no account yet; undefined: it is not known
 */
export function BeforeAndAfter({
  before,
  after,
}: {
  readonly before: Account | null | undefined;
  readonly after: Account;
}) {
  const say = useWords();
  const { points, change } = useFormats();
  const was = (figure: (typeof FIGURES)[number]) => before?.[figure] ?? 0n;
  const shown = FIGURES.filter(
    (figure) =>
      figure === "balance" ||
      (before === undefined ? after[figure] > 0n : after[figure] !== was(figure)),
  );
  return (
    <Table withRowBorders verticalSpacing={4} fz="sm" className={styles["figures"]}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{say("figure")}</Table.Th>
          {before !== undefined && <Table.Th>{say("before")}</Table.Th>}
          {before !== undefined && <Table.Th>{say("change")}</Table.Th>}
          <Table.Th>{say("after")}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {shown.map((figure) => (
          <Table.Tr key={figure}>
            <Table.Th scope="row">{say(figure)}</Table.Th>
            {before !== undefined && <Table.Td>{points(was(figure))}</Table.Td>}
            {before !== undefined && <Table.Td>{change(after[figure] - was(figure))}</Table.Td>}
            <Table.Td className={styles["after"]}>{points(after[figure])}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
