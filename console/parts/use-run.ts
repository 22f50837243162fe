import { useEffect, useRef, useState } from "react";

/** How far work that takes its time has come. */
export type Run<Progress> = {
  readonly state: "idle" | "running" | "done" | "failed";
  /** The last that the work has told. */
  readonly progress?: Progress | undefined;
  readonly error?: unknown;
};

/**
 * Does work when it is asked for, such as reading page after page, and gives it up when that is asked
 * for, or when the part of the page that shows it is gone. What was given up says nothing any more.
 *
 * @param work tells how far it is, from time to time
 */
export function useRun<Progress>(work: (signal: AbortSignal) => AsyncIterable<Progress>) {
  const [run, setRun] = useState<Run<Progress>>(IDLE);
  const running = useRef<AbortController>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const start = () => {
    running.current?.abort();
    const { signal } = (running.current = new AbortController());
    void follow(work, signal, setRun);
  };
  const cancel = () => {
    running.current?.abort();
    setRun(IDLE);
  };
  return { ...run, start, cancel };
}

const IDLE = { state: "idle" } as const;

/** Tells how work goes on, until it is given up. */
export async function follow<Progress>(
  work: (signal: AbortSignal) => AsyncIterable<Progress>,
  signal: AbortSignal,
  tell: (run: Run<Progress>) => void,
): Promise<void> {
  let progress: Progress | undefined;
  const tellUnlessGivenUp = (run: Run<Progress>) => {
    if (!signal.aborted) tell(run);
  };
  tellUnlessGivenUp({ state: "running" });
  try {
    for await (progress of work(signal)) {
      if (signal.aborted) return;
      tell({ state: "running", progress });
    }
    tellUnlessGivenUp({ state: "done", progress });
  } catch (error) {
    tellUnlessGivenUp({ state: "failed", progress, error });
  }
}
