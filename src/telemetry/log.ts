import { type Logger, pino } from "pino";
import { describeError } from "../errors/describe.ts";

/** The log: JSON on standard error, one line an event. */
export function createLog(level: string): Logger {
  return pino({ level, serializers: { err: describeError } }, pino.destination(2));
}
