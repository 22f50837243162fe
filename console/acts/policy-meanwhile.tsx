import { useQuery } from "@connectrpc/connect-query";
import { Alert, Stack, Text } from "@mantine/core";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import { useWords } from "./words.ts";

const ENTRIES_READ = 1_000;

/** Says so if somebody set or ended the same policy between its preview and what was done to it. */
export function PolicyMeanwhile({
  entry: { userId, sequence },
  shown,
  name,
}: {
  readonly entry: Entry;
  /** The entry as the preview showed it. */
  readonly shown: Entry;
  readonly name: string;
}) {
  const say = useWords();
  const { data } = useQuery(
    PointsService.method.listEntries,
    { userId, kinds: [EntryKind.SET_POLICY], pageSize: ENTRIES_READ, minSequence: sequence },
    { enabled: shown.sequence < sequence },
  );
  const last = data?.entries.find(
    (one) => one.policy?.name === name && one.sequence >= shown.sequence && one.sequence < sequence,
  );
  if (last === undefined) return null;
  return (
    <Stack gap="xs">
      <Alert role="alert" color="yellow" py="xs">
        {say(last.policy?.rule.case === undefined ? "endedMeanwhile" : "setMeanwhile", { name })}
      </Alert>
      <Text size="sm">
        {say("setBy")} <EntryLink user={userId} sequence={last.sequence} isInText />{" "}
        {say("setByEnd")}
      </Text>
    </Stack>
  );
}
