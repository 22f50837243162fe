const TEXT_MAX_CHARS = 1_000;
const STACK_MAX_CHARS = 4_000;
const CAUSES_MAX = 4;

type Described = { [field: string]: string | Described };

/**
 * What says where an error came from, and what caused it.
 *
 * What PostgreSQL says beside that may have users' data in it: `detail`, `where` and the statement
 * are left out, and so is the message where values are what it is about.
 */
export function describeError(error: unknown, causes = CAUSES_MAX): Described {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack = "", cause } = error;
  const fields = error as unknown as Record<string, unknown>;
  const known = FACTS.flatMap((fact) =>
    typeof fields[fact] === "string" ? [[fact, cut(fields[fact], TEXT_MAX_CHARS)] as const] : [],
  );
  // Its head repeats the message.
  const frames = stack.split("\n").filter((line) => /^\s+at /.test(line));
  return {
    type: name,
    ...(saysValues(fields) ? {} : { message: cut(message, TEXT_MAX_CHARS) }),
    ...Object.fromEntries(known),
    stack: cut(frames.join("\n"), STACK_MAX_CHARS),
    ...(cause === undefined || causes === 0 ? {} : { cause: describeError(cause, causes - 1) }),
  };
}

/** Of PostgreSQL: names of ours, never values. Other errors have a code too. */
const FACTS = ["code", "severity", "table", "column", "constraint", "routine"];

/** Whether PostgreSQL complains of a value (class 22), or lets a function say what it likes (P0). */
function saysValues({ code, severity }: Record<string, unknown>): boolean {
  return typeof severity === "string" && typeof code === "string" && /^(22|P0)/.test(code);
}

function cut(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1).toWellFormed()}…`;
}
