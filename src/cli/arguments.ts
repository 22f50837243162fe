import { parseArgs, type ParseArgsConfig } from "node:util";

/** Says why a command line is wrong. */
export class WrongUsage extends Error {}

/** Options as `parseArgs` of node:util takes them. */
type Options = NonNullable<ParseArgsConfig["options"]>;

/**
 * Reads a command's options and its positional arguments.
 *
 * @param names of the positional arguments, in their order
 * @throws {WrongUsage} if an option is unknown, or if there are more arguments than names
 */
export function readArguments<T extends Options>(
  args: readonly string[],
  options: T,
  names: readonly string[],
) {
  const { values, positionals } = parse(args, options);
  if (positionals.length > names.length) {
    const extra = positionals.slice(names.length).join(" ");
    throw new WrongUsage(`there is nothing for ${extra} to mean`);
  }
  return { values, positionals };
}

/** Reads a command's options and any number of positional arguments. */
export function readAllArguments<T extends Options>(args: readonly string[], options: T) {
  return parse(args, options);
}

/** @throws {WrongUsage} if an argument is missing or empty */
export function required(text: string | undefined, name: string): string {
  if (text === undefined || text === "") throw new WrongUsage(`${name} is missing`);
  return text;
}

/** Reads a whole number, 0 or more, in decimal. Not 010, which some programs read as 8. */
export function wholeNumber(text: string, name: string): bigint {
  if (/^(0|[1-9]\d{0,17})$/.test(text)) return BigInt(text);
  throw new WrongUsage(`${name} takes a whole number, and not ${text}`);
}

/** Reads a length of time, such as 37s or 30d, as a protobuf Duration. */
export function duration(text: string, name: string): { seconds: bigint; nanos: number } {
  const [, digits, unit] = /^(0|[1-9]\d{0,11})(ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) {
    throw new WrongUsage(`${name} takes a length such as 90s, 15m, 12h or 30d, and not ${text}`);
  }
  const milliseconds = BigInt(digits) * MILLISECONDS[unit]!;
  return { seconds: milliseconds / 1000n, nanos: Number(milliseconds % 1000n) * 1_000_000 };
}

const MILLISECONDS: Readonly<Record<string, bigint>> = {
  ms: 1n,
  s: 1_000n,
  m: 60_000n,
  h: 3_600_000n,
  d: 86_400_000n,
};

function parse<T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    if (!isParseError(error)) throw error;
    // The first sentence names the mistake; the others are for programmers.
    throw new WrongUsage(error.message.split(/\. |\n/)[0]!.replace(/\.$/, ""));
  }
}

function isParseError(error: unknown): error is Error {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return String(error.code).startsWith("ERR_PARSE_ARGS");
}
