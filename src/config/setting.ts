/** One environment variable. */
export type Setting<T> = {
  readonly name: string;
  readonly about: string;
  /** What it takes, for the help and for the error. */
  readonly takes: string;
  readonly fallback: string | undefined;
  /** @param environment where other variables say more */
  readonly parse: (text: string, environment: NodeJS.ProcessEnv) => T | undefined;
};

/** A variable that takes a whole number in these bounds. */
export function wholeNumber(
  name: string,
  about: string,
  fallback: number,
  min: number,
  max: number,
): Setting<number> {
  const parse = (text: string) => {
    const value = /^\d{1,12}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };
  return { name, about, takes: `${min} to ${max}`, fallback: String(fallback), parse };
}
