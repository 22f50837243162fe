/** Requests to stop. */
export type Stops = {
  /** Resolves with the name of the signal that asks for a graceful shutdown. */
  readonly requested: Promise<string>;
  /** Resolves at a second signal: then the lame duck is skipped. */
  readonly hurried: Promise<void>;
};

// npm passes on a Ctrl-C that the terminal has sent already: that is no second signal.
const TOGETHER_MS = 1_000;

/** Listens to SIGTERM and SIGINT for good: from now on neither ends the process by itself. */
export function stopSignals(): Stops {
  const requested = Promise.withResolvers<string>();
  const hurried = Promise.withResolvers<void>();
  let firstMs: number | undefined;
  for (const name of ["SIGTERM", "SIGINT"]) {
    process.on(name, () => {
      requested.resolve(name);
      firstMs ??= performance.now();
      if (performance.now() - firstMs >= TOGETHER_MS) hurried.resolve();
    });
  }
  return { requested: requested.promise, hurried: hurried.promise };
}
