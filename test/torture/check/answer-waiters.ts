/** Lets somebody wait for answers of servers. */
export type AnswerWaiters = {
  /** Resolves at the next answer of the ledger, by one server or by any. */
  next(server?: number): Promise<void>;
  /** A server has answered. */
  tell(server: number): void;
};

/** Nobody waits yet. */
export function answerWaiters(): AnswerWaiters {
  let waiting: { server: number | undefined; resolve: () => void }[] = [];
  return {
    next: (server?: number) =>
      new Promise<void>((resolve) => void waiting.push({ server, resolve })),
    tell(server: number) {
      if (waiting.length === 0) return;
      const isFor = (one: { server: number | undefined }) => (one.server ?? server) === server;
      for (const { resolve } of waiting.filter(isFor)) resolve();
      waiting = waiting.filter((one) => !isFor(one));
    },
  };
}
