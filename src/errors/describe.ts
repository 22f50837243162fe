const TEXT_MAX_CHARS = 1_000;
const STACK_MAX_CHARS = 4_000;
const CAUSES_MAX = 4;

type Described = { [field: string]: string | Described };

/**
 * Describes an error for the log: type, message, code, stack and causes, without users' data.
 *
 * PostgreSQL's `detail` and `where` and the statement may contain users' data, so they are left
 * out. So is the message if it is about values.
 */
export function describeError(error: unknown, causes = CAUSES_MAX): Described {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack = "", cause } = error;
  const fields = error as unknown as Record<string, unknown>;
  const known = FACTS.flatMap((fact) =>
    typeof fields[fact] === "string" ? [[fact, cut(fields[fact], TEXT_MAX_CHARS)] as const] : [],
  );
  // The head of the stack repeats the message.
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  return {
    type: name,
    ...(saysValues(fields) ? {} : { message: cut(message, TEXT_MAX_CHARS) }),
    ...Object.fromEntries(known),
    stack: cut(frames.join("\n"), STACK_MAX_CHARS),
    ...(cause === undefined || causes === 0 ? {} : { cause: describeError(cause, causes - 1) }),
  };
}

/** Fields of PostgreSQL's errors with names of ours, never values. Other errors have `code` too. */
const FACTS = ["code", "severity", "table", "column", "constraint", "routine"];

/** Whether the message may quote values: class 22 is about values, P0 is any text of a function. */
function saysValues({ code, severity }: Record<string, unknown>): boolean {
  return typeof severity === "string" && typeof code === "string" && /^(22|P0)/.test(code);
}

function cut(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1).toWellFormed()}…`;
}
