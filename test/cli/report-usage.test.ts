import { expect, test } from "vitest";
import { WrongUsage } from "../../src/cli/arguments.ts";
import { runReport } from "../../src/cli/report.ts";

test.each([
  { args: [], says: "--month is missing, or --from and --until" },
  { args: ["--from=2026-11-01"], says: "--month is missing, or --from and --until" },
  { args: ["--month=2026-13"], says: "--month takes a month such as 2026-11, and not 2026-13" },
  { args: ["--month=11/2026"], says: "--month takes a month such as 2026-11, and not 11/2026" },
  {
    args: ["--month=2026-11", "--from=2026-11-01"],
    says: "a report is of a --month, or from --from until --until, and not of both",
  },
  {
    args: ["--from=2026-11-31", "--until=2026-12-01"],
    says: "--from takes a day such as 2026-11-01, and not 2026-11-31",
  },
  {
    args: ["--from=2026-11-01", "--until=2026-11-01"],
    says: "--until takes a day after 2026-11-01, and not 2026-11-01",
  },
  {
    args: ["--month=2026-11", "--time-zone=Mars"],
    says: "--time-zone takes a name such as Asia/Shanghai, and not Mars",
  },
  {
    args: ["--month=2026-11", "--time-zone=+05:30"],
    says: "--time-zone takes a name such as Asia/Shanghai, and not +05:30",
  },
  {
    args: ["--month=2026-11", "eu-", "--user=ada"],
    says: "a report is of --user or of USER-PREFIX, and not of both",
  },
  { args: ["--month=2026-11", "--format=xls"], says: "--format takes one of table, csv, json" },
  {
    args: ["--month=2026-11", "--json", "--format=csv"],
    says: "--format takes one of table, csv, json",
  },
])("points report refuses $args", async ({ args, says }) => {
  await expect(runReport(args)).rejects.toThrow(new WrongUsage(says));
});
