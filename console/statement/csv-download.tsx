import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { Button, Group, Text } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { csvHead, csvLine } from "./csv.ts";
import { requestOf } from "./filters.ts";
import { useWords } from "./words.ts";

/** Saves all that the filters find as a file, page by page, however many there are. */
export function CsvDownload() {
  const say = useWords();
  const { points: figure } = useFormats();
  const { written, state, error, start, cancel } = useCsv();
  const said = figure(BigInt(written));
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

type Progress = {
  readonly written: number;
  readonly state: "idle" | "running" | "done" | "failed";
  readonly error?: unknown;
};

const IDLE: Progress = { written: 0, state: "idle" };
const PAGE = 1_000;

function useCsv() {
  const transport = useTransport();
  const search = useSearch({ from: "/statement" });
  const [progress, setProgress] = useState(IDLE);
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const start = async () => {
    const { signal } = (running.current = new AbortController());
    const points = createClient(PointsService, transport);
    // The browser may keep what a Blob has on its disk, so that memory stays small.
    let file = new Blob([csvHead()], { type: "text/csv;charset=utf-8" });
    let written = 0;
    let pageToken = "";
    try {
      do {
        setProgress({ written, state: "running" });
        const request = { ...requestOf(search), pageSize: PAGE, pageToken };
        const page = await points.listEntries(request, { signal });
        file = new Blob([file, page.entries.map(csvLine).join("")], { type: file.type });
        written += page.entries.length;
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      save(file, `statement-${search.user.replaceAll(/[^\w.-]/g, "_")}.csv`);
      setProgress({ written, state: "done" });
    } catch (error) {
      if (!signal.aborted) setProgress({ written, state: "failed", error });
    }
  };
  const cancel = () => {
    running.current?.abort();
    setProgress(IDLE);
  };
  return { ...progress, start: () => void start(), cancel };
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
