import { type Logger, pino } from "pino";
import { describeError } from "../errors/describe.ts";

/** The log: one line of JSON an event, on standard error. */
export function createLog(level: string): Logger {
  return pino({ level, serializers: { err: describeError } }, pino.destination(2));
}
