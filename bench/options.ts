import { join } from "node:path";
import { parseArgs } from "node:util";
import { QUICK, type Row, rowsNamed, rowsOn } from "./rows.ts";
import type { Timing } from "./run.ts";

/** The bench's command line. */
export type Options = {
  readonly isQuick: boolean;
  readonly isGrowth: boolean;
  readonly isResumed: boolean;
  readonly rows: readonly Row[];
  readonly accounts: number;
  readonly timing: Timing;
  readonly rounds: number;
  readonly minutes: number;
  /** Settings of Points that differ from the defaults. */
  readonly environment: Readonly<Record<string, string>>;
  readonly folder: string;
};

export const HELP = `npm run bench -- [OPTION…]

  --quick            fewer rows and shorter ones: under 3 minutes
  --growth           ledgers of up to 5 million accounts and 20 million entries, instead of the rows
  --resume           goes on with the rows where a run of the same commit was interrupted
  --rows a,b         only these: names as in the results, or how they begin
  --accounts N       how many accounts the rows have
  --rounds N         how often each row runs, in turn with the others
  --seconds N        how long each time, beside a second or less to get warm
  --minutes N        how long --growth may take
  --env NAME=VALUE   a variable for Points; may be repeated
  --out FOLDER       where the results go, instead of bench/results`;

/**
 * Parses the command line.
 *
 * @throws an Error if it is invalid
 */
export function readOptions(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      growth: { type: "boolean", default: false },
      resume: { type: "boolean", default: false },
      rows: { type: "string", default: "" },
      accounts: { type: "string", default: "100000" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      minutes: { type: "string", default: "35" },
      env: { type: "string", multiple: true, default: [] },
      out: { type: "string", default: join(import.meta.dirname, "results") },
    },
  });
  if (values.help) return "help";
  const names = values.rows.split(",").filter((name) => name !== "");
  const usual = values.quick ? QUICK : [];
  const accounts = number("accounts", values.accounts);
  const usualSeconds = values.quick ? "2" : values.growth ? "3" : "8";
  const seconds = number("seconds", values.seconds ?? usualSeconds);
  return {
    isQuick: values.quick,
    isGrowth: values.growth,
    isResumed: values.resume,
    rows: rowsNamed(rowsOn(accounts), names.length > 0 ? names : usual),
    accounts,
    timing: { warmSeconds: Math.min(1, seconds / 2), seconds },
    rounds: number("rounds", values.rounds ?? (values.quick ? "2" : "3")),
    minutes: number("minutes", values.minutes),
    environment: Object.fromEntries(values.env.map(variable)),
    folder: values.out,
  };
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name} takes a number above 0, not ${text}`);
  return value;
}

function variable(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at < 1) throw new Error(`--env takes NAME=VALUE, not ${text}`);
  return [text.slice(0, at), text.slice(at + 1)];
}
