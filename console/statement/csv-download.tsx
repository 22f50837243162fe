import { type Client, createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { Button, Group, Text } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { StatementSearch } from "../app/router.tsx";
import { useFormats } from "../app/formats.ts";
import { entryPages } from "../parts/entry-pages.ts";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { useRun } from "../parts/use-run.ts";
import { csvHead, csvLine } from "./csv.ts";
import { requestOf } from "./filters.ts";
import { useWords } from "./words.ts";

/** Saves all that the filters find as a file, page by page, however many there are. */
export function CsvDownload() {
  const say = useWords();
  const { points: figure } = useFormats();
  const transport = useTransport();
  const search = useSearch({ from: "/statement" });
  const { state, progress, error, start, cancel } = useRun((signal) =>
    saveAll(createClient(PointsService, transport), search, signal),
  );
  const said = figure(BigInt(progress ?? 0));
  return (
    <Group gap="xs">
      {state === "running" ? (
        <Button variant="default" size="xs" onClick={cancel}>
          {say("csvCancel")}
        </Button>
      ) : (
        <Button variant="default" size="xs" onClick={start}>
          {say("csv")}
        </Button>
      )}
      <Text size="xs" role="status">
        {state === "running" && say("csvRunning", { said })}
        {state === "done" && say("csvDone", { said })}
      </Text>
      {state === "failed" && <RefusalNote error={error} onRetry={start} />}
    </Group>
  );
}

/** Tells how many entries it has read, and saves them when it has all. */
async function* saveAll(
  points: Client<typeof PointsService>,
  search: StatementSearch,
  signal: AbortSignal,
): AsyncGenerator<number, void> {
  // The browser may keep what a Blob has on its disk, so that memory stays small.
  let file = new Blob([csvHead()], { type: "text/csv;charset=utf-8" });
  let written = 0;
  for await (const page of entryPages(points, requestOf(search), signal)) {
    file = new Blob([file, page.map(csvLine).join("")], { type: file.type });
    yield (written += page.length);
  }
  save(file, `statement-${search.user.replaceAll(/[^\w.-]/g, "_")}.csv`);
}

function save(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The download has begun, or never will.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
