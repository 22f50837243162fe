import { Group, Stack, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { ButtonLink } from "../parts/links.ts";
import { BEGINNING, type Choice, choicesAt, type Range } from "./range.ts";
import { useWords } from "./words.ts";

/** From which day to which. What is chosen is in the address. */
export function RangeForm({
  user,
  range,
  now,
}: {
  readonly user: string;
  readonly range: Range | undefined;
  readonly now: Date;
}) {
  const say = useWords();
  const navigate = useNavigate();
  const choices = Object.entries(choicesAt(now)) as [Choice, { from: string; to: string }][];
  const today = choicesAt(now).thisMonth.to;
  const choose = (days: { from?: string; to?: string }) => {
    if (days.from === "" || days.to === "") return;
    const before = { from: range?.from ?? BEGINNING, ...(range && { to: range.to }) };
    void navigate({ to: "/movements", search: { user, ...before, ...days } });
  };
  const isChosen = (days: { from: string; to: string }) =>
    range !== undefined && days.from === (range.from ?? BEGINNING) && days.to === range.to;
  return (
    <Stack gap="sm">
      <Group gap="xs" role="group" aria-label={say("choices")}>
        {choices.map(([choice, days]) => (
          <ButtonLink
            key={choice}
            to="/movements"
            search={{ user, ...days }}
            size="xs"
            variant={isChosen(days) ? "filled" : "default"}
            aria-current={isChosen(days) ? "true" : undefined}
          >
            {say(choice)}
          </ButtonLink>
        ))}
      </Group>
      <Group gap="sm" align="flex-end">
        <TextInput
          type="date"
          label={say("from")}
          max={range?.to ?? today}
          value={range?.from ?? ""}
          onChange={(event) => choose({ from: event.currentTarget.value })}
        />
        <TextInput
          type="date"
          label={say("to")}
          max={today}
          value={range?.to ?? ""}
          onChange={(event) => choose({ to: event.currentTarget.value })}
        />
      </Group>
    </Stack>
  );
}
