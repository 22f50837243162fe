const REST_MS = 1_000;

/** Reads again after changes, however many there are. */
export type Paced = {
  /** Something has changed: what is read before now is old. */
  changed(): void;
  stop(): void;
};

/**
 * Reads at once after a change, and then at most once a second, and never for more than a third of the
 * time: a hot account has thousands of changes a second, and a large one takes long to read.
 *
 * @param read resolves to false if what it read may be from before it was called
 */
export function paced(
  read: () => Promise<boolean>,
  sleep: (ms: number) => Promise<void>,
  nowMs: () => number,
): Paced {
  let isOld = false;
  let isReading = false;
  let isStopped = false;

  async function readWhileOld(): Promise<void> {
    isReading = true;
    while (isOld && !isStopped) {
      isOld = false;
      const startMs = nowMs();
      const isNew = await read();
      if (!isNew) isOld = true;
      await sleep(Math.max(REST_MS, 2 * (nowMs() - startMs)));
    }
    isReading = false;
  }

  return {
    changed() {
      isOld = true;
      if (!isReading && !isStopped) void readWhileOld();
    },
    stop() {
      isStopped = true;
    },
  };
}
