/** When a server is to stop. */
export type Stops = {
  /** The signal that said so. */
  readonly requested: Promise<string>;
  /** Resolves when it is said again: then nobody wants to wait. */
  readonly hurried: Promise<void>;
};

// npm passes on a Ctrl-C that the terminal has sent already: that is not said again.
const TOGETHER_MS = 1_000;

/** Listens to SIGTERM and SIGINT, for good: none of them ends the process by itself. */
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
