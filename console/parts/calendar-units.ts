import { CalendarUnit } from "../../gen/points/v1/policy_pb.ts";

/** The units of the calendar, by their names in forms and words. */
export const UNITS = {
  day: CalendarUnit.DAY,
  week: CalendarUnit.WEEK,
  month: CalendarUnit.MONTH,
  year: CalendarUnit.YEAR,
} as const;

export type UnitName = keyof typeof UNITS;

/** Undefined: there is no such unit. */
export function unitNameOf(unit: unknown): UnitName | undefined {
  return (Object.keys(UNITS) as UnitName[]).find((name) => UNITS[name] === unit);
}
