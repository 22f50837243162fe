import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { Button, Group, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { canHash, checkJournal, type Checked } from "./chain.ts";
import { useWords } from "./words.ts";

/** Checks all entries of an account in this browser, page by page. */
export function JournalCheck({ user }: { readonly user: string }) {
  const say = useWords();
  const { state, checked, last, error, start, cancel } = useJournalCheck(user);
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
        {checked && <Outcome checked={checked} last={last} isDone={state === "done"} />}
      </div>
    </Group>
  );
}

function Outcome({
  checked: { entries, fault },
  last,
  isDone,
}: {
  readonly checked: Checked;
  readonly last: bigint;
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
} as const;

type Run = {
  readonly state: "idle" | "running" | "done" | "failed";
  readonly checked?: Checked;
  readonly last: bigint;
  readonly error?: unknown;
};

const IDLE: Run = { state: "idle", last: 0n };
const PAGE = 1_000;

function useJournalCheck(userId: string) {
  const transport = useTransport();
  const [run, setRun] = useState(IDLE);
  const running = useRef<AbortController>(undefined);
  useEffect(() => {
    setRun(IDLE);
    return () => running.current?.abort();
  }, [userId]);
  const start = async () => {
    const { signal } = (running.current = new AbortController());
    const points = createClient(PointsService, transport);
    let last = 0n;
    async function* pages() {
      let pageToken = "";
      do {
        const page = await points.listEntries({ userId, pageSize: PAGE, pageToken }, { signal });
        if (pageToken === "") last = page.entries[0]?.sequence ?? 0n;
        yield page.entries;
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
    }
    setRun({ state: "running", last });
    try {
      const { account } = await points.getAccount({ userId }, { signal });
      const salt = account?.salt ?? new Uint8Array();
      let checked: Checked | undefined;
      for await (checked of checkJournal(pages(), { userId, salt })) {
        if (signal.aborted) return;
        setRun({ state: "running", checked, last });
      }
      setRun({ state: "done", last, ...(checked && { checked }) });
    } catch (error) {
      if (!signal.aborted) setRun({ state: "failed", last, error });
    }
  };
  const cancel = () => {
    running.current?.abort();
    setRun(IDLE);
  };
  return { ...run, start: () => void start(), cancel };
}
