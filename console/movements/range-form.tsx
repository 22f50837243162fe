import { Group, Stack, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Day } from "../parts/days.ts";
import { ButtonLink } from "../parts/links.ts";
import { BEGINNING, type Choice, choicesAt, type Range } from "./range.ts";
import { useWords } from "./words.ts";

/** From which day to which. What is chosen is in the address. */
export function RangeForm({
  user,
  range,
  asked,
  now,
}: {
  readonly user: string;
  readonly range: Range | undefined;
  /** What the address says: it is shown if it is no range. */
  readonly asked: { readonly from?: string | undefined; readonly to?: string | undefined };
  readonly now: Date;
}) {
  const say = useWords();
  const navigate = useNavigate();
  const choices = Object.entries(choicesAt(now)) as [Choice, { from: string; to: string }][];
  const today = choicesAt(now).thisMonth.to;
  const choose = (days: { from?: string; to?: string }) => {
    const { from = BEGINNING, to = today } = range ?? asked;
    void navigate({ to: "/movements", search: { user, from, to, ...days }, replace: true });
  };
  // Of two that are the same days, as on the 30th of a month, the first.
  const chosen = choices.find(
    ([, days]) => days.from === (range?.from ?? BEGINNING) && days.to === range?.to,
  )?.[0];
  return (
    <Stack gap="sm">
      <Group gap="xs" role="group" aria-label={say("choices")}>
        {choices.map(([choice, days]) => (
          <ButtonLink
            key={choice}
            to="/movements"
            search={{ user, ...days }}
            size="xs"
            variant={choice === chosen ? "filled" : "default"}
            aria-current={choice === chosen ? "true" : undefined}
          >
            {say(choice)}
          </ButtonLink>
        ))}
      </Group>
      <Group gap="sm" align="flex-end">
        <DayInput
          label={say("from")}
          max={range?.to ?? today}
          day={(range ?? asked).from ?? ""}
          onChoose={(from) => choose({ from })}
        />
        <DayInput
          label={say("to")}
          max={today}
          day={(range ?? asked).to ?? ""}
          onChoose={(to) => choose({ to })}
        />
      </Group>
    </Stack>
  );
}

// While a year is typed, it is 2, 20 and 202 first.
const FIRST_DAY = "1970-01-01";

/** A day, which is chosen as soon as all of it is typed. */
function DayInput({
  label,
  max,
  day,
  onChoose,
}: {
  readonly label: string;
  readonly max: Day;
  /** Empty: none. */
  readonly day: Day;
  readonly onChoose: (day: Day) => void;
}) {
  const [typed, setTyped] = useState(day);
  const [shown, setShown] = useState(day);
  if (day !== shown) {
    setShown(day);
    setTyped(day);
  }
  const change = (value: string) => {
    setTyped(value);
    if (value >= FIRST_DAY) onChoose(value);
  };
  return (
    <TextInput
      type="date"
      label={label}
      max={max}
      value={typed}
      onChange={(event) => change(event.currentTarget.value)}
    />
  );
}
