/** Follows which messages are delivered, and moves the cursor behind those that all are. */
export type Progress = {
  /** @param delivered resolves when the message before this cursor is; undefined: it is empty */
  add(cursor: string, delivered: Promise<unknown> | undefined): void;
  /** Resolves when few enough messages are open to add one, or the cursor moves no more. */
  room(): Promise<void>;
  /**
   * Resolves when all is delivered and stored, up to the first that was not.
   *
   * @throws the error of the last store
   */
  settled(): Promise<void>;
};

type OpenMessage = {
  /** Of the empty ones behind it, the last one's. */
  cursor: string;
};

/**
 * Messages, but for empty ones, that the cursor has not passed. So far others run ahead of an event
 * that fails, and so many are sent again after a crash.
 */
const OPEN_MAX = 10_000;

/**
 * Messages may be delivered in any order; the cursor moves in theirs. While it is being stored,
 * those that come meanwhile are one next write.
 *
 * @param store stores a cursor
 * @param fail is called with each error of a delivery or of a store. The cursor never moves past it
 */
export function trackProgress(
  store: (cursor: string) => Promise<void>,
  fail: (error: unknown) => void,
): Progress {
  let tail: Promise<void> = Promise.resolve();
  let storing: Promise<void> | undefined;
  let reached: string | undefined;
  let open = 0;
  /** The last that is open. */
  let last: OpenMessage | undefined;
  let ended = false;
  let wake = () => {};

  const storeReached = async () => {
    for (let stored: string | undefined; stored !== reached;) {
      stored = reached;
      await store(stored!);
    }
    storing = undefined;
  };
  const reach = (cursor: string) => {
    if (cursor === reached) return;
    reached = cursor;
    if (storing !== undefined) return;
    storing = storeReached();
    storing.catch(fail);
  };

  const pass = (message: OpenMessage) => {
    open -= 1;
    if (last === message) last = undefined;
    reach(message.cursor);
    wake();
  };

  return {
    add(cursor, delivered) {
      if (delivered === undefined) {
        if (last === undefined) reach(cursor);
        else last.cursor = cursor;
        return;
      }
      const message = { cursor };
      last = message;
      open += 1;
      // It may fail before its turn comes.
      delivered.catch(fail);
      tail = tail.then(() => delivered).then(() => pass(message));
      tail.catch(() => {
        ended = true;
        wake();
      });
    },
    async room() {
      while (open >= OPEN_MAX && !ended) await new Promise<void>((resolve) => (wake = resolve));
    },
    async settled() {
      await tail.catch(() => {});
      await storing;
    },
  };
}
