import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Alert, Table, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { EntryKindSchema } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { TextLink } from "../parts/links.ts";
import { useMoveNames } from "../parts/move-names.ts";
import { kindsOf } from "../parts/moves.ts";
import { Section } from "../parts/section.tsx";
import { WideTable } from "../parts/wide-table.tsx";
import { addsUp, type Line, type Movements, type Part, type Standing } from "./movements.ts";
import { whyUnnamed } from "./why-unnamed.ts";
import styles from "./movements.module.css";
import type { Range } from "./range.ts";
import { useWords } from "./words.ts";

/** The columns add up: the parts to their line, and the lines from the start to the end. */
export function MovementsTable({
  user,
  range,
  movements,
}: {
  readonly user: string;
  readonly range: Range;
  readonly movements: Movements;
}) {
  const say = useWords();
  const { day } = useFormats();
  const { start, lines, end } = movements;
  const at = (date: Date) => say("at", { day: day(timestampFromDate(date)) });
  return (
    <Section title={say("sums")}>
      <WideTable caption={say("sums")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Td />
            <Table.Th scope="col" ta="right">
              {say("ofWhich")}
            </Table.Th>
            <Table.Th scope="col" ta="right">
              {say("points")}
            </Table.Th>
            <Table.Th scope="col" ta="right">
              {say("entries")}
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <StandingRows
          title={say("start")}
          when={range.start ? at(range.start) : say("nothingBefore")}
          standing={start}
        />
        {lines.map((line) => (
          <LineRows key={line.name} user={user} range={range} line={line} />
        ))}
        <StandingRows
          title={say("end")}
          when={range.end ? at(range.end) : say("now")}
          standing={end}
        />
      </WideTable>
      <Check movements={movements} />
      <Text size="sm" c="dimmed" mt="xs">
        {say("meaning")}
        {lines.some(linksServices) && ` ${say("byService")}`}
      </Text>
    </Section>
  );
}

/** What there was at one end, which is its balance, frozen points and debt. */
function StandingRows({
  title,
  when,
  standing,
}: {
  readonly title: string;
  readonly when: string;
  readonly standing: Standing;
}) {
  const say = useWords();
  const { points, change } = useFormats();
  const { balance, frozen, debt, net } = standing;
  return (
    <Table.Tbody className={`${styles["rows"]} ${styles["standing"]}`}>
      <Row
        title={
          <>
            {title}{" "}
            <Text span size="sm" c="dimmed" fw={400}>
              {when}
            </Text>
          </>
        }
        figure={points(net)}
      />
      <PartRow title={say("balance")} figure={points(balance)} />
      {frozen !== 0n && <PartRow title={say("frozen")} figure={change(frozen)} />}
      {debt !== 0n && <PartRow title={say("debt")} figure={change(-debt)} />}
    </Table.Tbody>
  );
}

/** Whether its parts lead to the statements of services. */
function linksServices({ name, parts = [] }: Line): boolean {
  return name === "consumed" && parts.some(({ of }) => of);
}

function LineRows({ user, range, line }: { user: string; range: Range; line: Line }) {
  const say = useWords();
  const { change } = useFormats();
  const { name, points, parts = [] } = line;
  const title = useMoveNames()(name);
  const statement = (service?: string) => ({
    user,
    kind: kindsOf(name)
      .map((kind) => EntryKindSchema.value[kind]!.localName)
      .join(","),
    ...(range.from !== undefined && { from: range.from }),
    to: range.to,
    ...(service && { service }),
  });
  const titleOf = ({ of, points: some }: Part): string => {
    if (of === undefined) return say(whyUnnamed(name, some));
    if (of !== "") return of;
    if (name === "recharged") return say("noCategory");
    return say(name === "expired" || name === "revoked" ? "inSums" : "noService");
  };
  // One part that has no name says no more than its line.
  const isPlain = parts.length === 1 && parts[0]!.of === "";
  return (
    <Table.Tbody className={styles["rows"]}>
      <Row
        title={title}
        figure={change(points)}
        link={
          points === 0n ? null : (
            <TextLink
              to="/statement"
              search={statement()}
              aria-label={say("statementOf", { line: title })}
            >
              {say("statement")}
            </TextLink>
          )
        }
      />
      {(isPlain ? [] : parts).map((part) => (
        <PartRow
          key={part.of ?? "\n"}
          title={
            name === "consumed" && part.of ? (
              <TextLink to="/statement" search={statement(part.of)}>
                {part.of}
              </TextLink>
            ) : (
              titleOf(part)
            )
          }
          figure={change(part.points)}
        />
      ))}
    </Table.Tbody>
  );
}

function Row({
  title,
  figure,
  link,
}: {
  readonly title: ReactNode;
  readonly figure: string;
  readonly link?: ReactNode;
}) {
  return (
    <Table.Tr className={styles["line"]}>
      <Table.Th scope="row">{title}</Table.Th>
      <Table.Td />
      <Table.Td ta="right">{figure}</Table.Td>
      <Table.Td ta="right" className={styles["link"]}>
        {link}
      </Table.Td>
    </Table.Tr>
  );
}

function PartRow({ title, figure }: { readonly title: ReactNode; readonly figure: string }) {
  return (
    <Table.Tr className={styles["part"]}>
      <Table.Th scope="row" fw={400}>
        {title}
      </Table.Th>
      <Table.Td ta="right">{figure}</Table.Td>
      <Table.Td />
      <Table.Td />
    </Table.Tr>
  );
}

/** The sum in one line; should it be wrong, it says so rather than hide it. */
function Check({ movements }: { readonly movements: Movements }) {
  const say = useWords();
  const { points } = useFormats();
  const { start, lines, end } = movements;
  if (!addsUp(movements)) return <Alert role="alert" color="red" mt="sm" title={say("wrong")} />;
  const terms = lines
    .filter((line) => line.points !== 0n)
    .map((line) => (line.points < 0n ? ` − ${points(-line.points)}` : ` + ${points(line.points)}`));
  const signed = (net: bigint) => (net < 0n ? `−${points(-net)}` : points(net));
  const sum = `${signed(start.net)}${terms.join("")} = ${signed(end.net)}`;
  return (
    <Text size="sm" mt="sm" className={styles["check"]}>
      {say("addsUp", { sum })}
    </Text>
  );
}
