import { type Client, createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { Button, Group, Text } from "@mantine/core";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { type Checked, checkJournal } from "../../src/client/check-journal.ts";
import { useFormats } from "../app/formats.ts";
import { entryPages } from "../parts/entry-pages.ts";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { useRun } from "../parts/use-run.ts";
import { canHash } from "./chain.ts";
import { useWords } from "./words.ts";

/** Checks all entries of an account in this browser, page by page. */
export function JournalCheck({ user }: { readonly user: string }) {
  const say = useWords();
  const transport = useTransport();
  const { state, progress, error, start, cancel } = useRun((signal) =>
    check(createClient(PointsService, transport), user, signal),
  );
  if (!canHash()) return null;
  return (
    <Group gap="sm">
      {state === "running" ? (
        <Button variant="default" size="xs" onClick={cancel}>
          {say("cancel")}
        </Button>
      ) : (
        <Button variant="default" size="xs" onClick={start}>
          {say("checkAll")}
        </Button>
      )}
      {state === "failed" && <RefusalNote error={error} onRetry={start} />}
      <div role="status">
        {progress && <Outcome checked={progress} isDone={state === "done"} />}
      </div>
    </Group>
  );
}

function Outcome({
  checked: { entries, last, fault },
  isDone,
}: {
  readonly checked: Checked & { readonly last: bigint };
  readonly isDone: boolean;
}) {
  const say = useWords();
  const formats = useFormats();
  const said = formats.points(BigInt(entries));
  if (fault !== undefined) {
    return (
      <Text size="sm" c="var(--mantine-color-error)">
        {say(FAULTS[fault.kind], { n: String(fault.sequence) })}
      </Text>
    );
  }
  const values = { said, n: String(last), count: entries };
  return <Text size="sm">{isDone ? say("whole", values) : say("checked", { said })}</Text>;
}

const FAULTS = {
  missing: "faultMissing",
  hash: "faultHash",
  personal: "faultPersonal",
  otherUser: "faultOtherUser",
  erasure: "faultErasure",
  account: "faultAccount",
} as const;

/**
 * Up to the account as it is, with what is due booked: only then its figures are those of its last
 * entry. Of an account that is gone, such as to an erasure, that would make a new one: so it is read
 * before.
 */
async function* check(
  points: Client<typeof PointsService>,
  userId: string,
  signal: AbortSignal,
): AsyncGenerator<Checked & { readonly last: bigint }, void> {
  await points.getAccount({ userId }, { signal });
  const { account } = await points.getOrCreate({ userId }, { signal });
  if (account === undefined) throw new Error("an answer without an account");
  const { sequence: last } = account;
  async function* pages() {
    for await (const page of entryPages(points, { userId, minSequence: last }, signal)) {
      yield page.filter(({ sequence }) => sequence <= last);
    }
  }
  for await (const checked of checkJournal(pages(), account)) {
    yield { ...checked, last };
    if (checked.fault !== undefined) return;
  }
}
