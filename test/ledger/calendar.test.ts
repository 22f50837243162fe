import fc from "fast-check";
import { Temporal } from "temporal-polyfill";
import { describe, expect, test } from "vitest";
import { isTimeZone, periodAt, periodStart, windowEnd } from "../../src/ledger/calendar.ts";
import type { Cadence, CalendarUnit } from "../../src/ledger/policy.ts";
import { LAST_INSTANT } from "../../src/ledger/time.ts";

const UNITS: readonly CalendarUnit[] = ["day", "week", "month", "year"];

describe("periods begin at the start time and so many units later", () => {
  const cases: [title: string, every: string, from: string, starts: string[]][] = [
    [
      "a month from its last day on, never chained",
      "1 month",
      "2026-01-31T09:00[Europe/Berlin]",
      [
        "2026-01-31T09:00+01:00",
        "2026-02-28T09:00+01:00",
        "2026-03-31T09:00+02:00",
        "2026-04-30T09:00+02:00",
      ],
    ],
    [
      "the same before a leap day",
      "1 month",
      "2027-12-31T00:00[UTC]",
      ["2027-12-31T00:00Z", "2028-01-31T00:00Z", "2028-02-29T00:00Z", "2028-03-31T00:00Z"],
    ],
    [
      "a year from a leap day on",
      "1 year",
      "2028-02-29T00:00[UTC]",
      ["2028-02-29T00:00Z", "2029-02-28T00:00Z", "2030-02-28T00:00Z", "2031-02-28T00:00Z"],
    ],
    [
      "four years from a leap day on, over a year that is none",
      "4 year",
      "2092-02-29T00:00[UTC]",
      ["2092-02-29T00:00Z", "2096-02-29T00:00Z", "2100-02-28T00:00Z", "2104-02-29T00:00Z"],
    ],
    [
      "a day by the wall clock, over the day of 23 hours, at a time that it leaves out",
      "1 day",
      "2026-03-28T02:30[Europe/Berlin]",
      ["2026-03-28T02:30+01:00", "2026-03-29T03:30+02:00", "2026-03-30T02:30+02:00"],
    ],
    [
      "and over the day of 25 hours, at the first of a time that comes twice",
      "1 day",
      "2026-10-31T01:30[America/New_York]",
      ["2026-10-31T01:30-04:00", "2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
    ],
    [
      "from the second of a time that comes twice on",
      "1 day",
      "2026-11-01T01:30-05:00[America/New_York]",
      ["2026-11-01T01:30-05:00", "2026-11-02T01:30-05:00"],
    ],
    [
      "where the clocks change by half an hour",
      "1 week",
      "2026-09-27T02:15[Australia/Lord_Howe]",
      ["2026-09-27T02:15+10:30", "2026-10-04T02:45+11:00", "2026-10-11T02:15+11:00"],
    ],
    [
      "a day that has no midnight from its first instant on",
      "1 day",
      "2018-11-03T00:00[America/Sao_Paulo]",
      ["2018-11-03T00:00-03:00", "2018-11-04T01:00-02:00", "2018-11-05T00:00-02:00"],
    ],
    [
      "a day that is left out together with the next",
      "1 day",
      "2011-12-29T10:00[Pacific/Apia]",
      ["2011-12-29T10:00-10:00", "2011-12-31T10:00+14:00", "2011-12-31T10:00+14:00"],
    ],
    [
      "to the microsecond",
      "2 month",
      "2026-12-31T23:59:59.999999[Asia/Kathmandu]",
      ["2026-12-31T23:59:59.999999+05:45", "2027-02-28T23:59:59.999999+05:45"],
    ],
  ];
  test.each(cases)("%s", (_, every, from, starts) => {
    const cadence = cadenceOf(every, from);
    const begun = [...starts.keys()].map((k) => written(periodStart(cadence, k)));
    expect(begun).toEqual(starts.map((start) => written(micros(start))));
  });

  test("until the year 10000", () => {
    const cadence = cadenceOf("1 year", "9997-06-01T00:00[UTC]");
    expect(periodStart(cadence, 2)).toBe(micros("9999-06-01T00:00Z"));
    for (const k of [3, 1_000_000, Number.MAX_SAFE_INTEGER]) {
      expect(periodStart(cadence, k)).toBeNull();
    }
    expect(periodAt(cadence, LAST_INSTANT)).toBe(2);
    const day = cadenceOf("1 day", "9999-12-31T23:59:59.999999[UTC]");
    expect([0, 1].map((k) => periodStart(day, k))).toEqual([LAST_INSTANT, null]);
  });
});

describe("a period is the current one", () => {
  const monthly = cadenceOf("1 month", "2026-01-31T00:00[Europe/Berlin]");
  const cases: [title: string, cadence: Cadence, instant: string, k: number][] = [
    ["never before the first", monthly, "2026-01-30T22:59:59.999999Z", -1],
    ["from its first instant on", monthly, "2026-01-30T23:00Z", 0],
    ["until the last before the next", monthly, "2026-02-27T22:59:59.999999Z", 0],
    ["and no longer", monthly, "2026-02-27T23:00Z", 1],
    ["7,973 years later", monthly, "9999-12-31T00:00Z", 95_687],
    [
      "the later of two that begin together",
      cadenceOf("1 day", "2011-12-29T10:00[Pacific/Apia]"),
      "2011-12-31T10:00+14:00",
      2,
    ],
  ];
  test.each(cases)("%s", (_, cadence, instant, k) => {
    expect(periodAt(cadence, micros(instant))).toBe(k);
  });
});

describe("a window ends with the calendar's unit", () => {
  const cases: [unit: CalendarUnit, zone: string, instant: string, end: string][] = [
    ["day", "UTC", "2026-02-28T23:59:59.999999Z", "2026-03-01T00:00Z"],
    ["day", "UTC", "2026-03-01T00:00Z", "2026-03-02T00:00Z"],
    ["day", "Europe/Berlin", "2026-03-28T23:00Z", "2026-03-30T00:00+02:00"],
    ["day", "America/New_York", "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00"],
    // Days that begin at one o'clock.
    ["day", "America/Sao_Paulo", "2018-11-03T12:00-03:00", "2018-11-04T01:00-02:00"],
    ["day", "Asia/Beirut", "2024-03-30T12:00+02:00", "2024-03-31T01:00+03:00"],
    // 30 December 2011 was not.
    ["day", "Pacific/Apia", "2011-12-29T23:00-10:00", "2011-12-31T00:00+14:00"],
    // The clocks went back over midnight, one minute past it.
    ["day", "America/St_Johns", "2009-10-31T12:00-02:30", "2009-11-01T00:00-02:30"],
    ["day", "America/St_Johns", "2009-10-31T23:30-03:30", "2009-11-02T00:00-03:30"],
    ["week", "UTC", "2026-03-01T23:59:59.999999Z", "2026-03-02T00:00Z"],
    ["week", "UTC", "2026-03-02T00:00Z", "2026-03-09T00:00Z"],
    ["week", "Asia/Tokyo", "2026-12-31T12:00+09:00", "2027-01-04T00:00+09:00"],
    ["month", "Asia/Tokyo", "2026-01-31T15:00Z", "2026-03-01T00:00+09:00"],
    ["month", "Australia/Lord_Howe", "2026-04-05T00:00+11:00", "2026-05-01T00:00+10:30"],
    ["year", "America/New_York", "2026-12-31T23:59:59.999999-05:00", "2027-01-01T00:00-05:00"],
    ["year", "America/New_York", "2027-01-01T00:00-05:00", "2028-01-01T00:00-05:00"],
  ];
  test.each(cases)("the %s in %s at %s until %s", (unit, zone, instant, end) => {
    expect(written(windowEnd(unit, zone, micros(instant)))).toBe(written(micros(end)));
  });
});

describe("a time zone", () => {
  test("is what the IANA's data base names, as it writes it", () => {
    const others = ["UTC", "Etc/UTC", "GMT", "Etc/GMT-2", "US/Pacific", "Asia/Calcutta", "EST5EDT"];
    const names = [...Intl.supportedValuesOf("timeZone"), ...others];
    expect(names.filter((name) => !isTimeZone(name))).toEqual([]);
  });

  test("is nothing else", () => {
    const names = [
      "",
      " ",
      "utc",
      "europe/berlin",
      "Europe/Berlin ",
      "+02:00",
      "-02",
      "Z",
      "UTC+2",
    ];
    const more = ["Mars/Olympus", "2026-01-01T00:00Z", "2026-01-01T00:00[Europe/Berlin]", "Ü"];
    expect([...names, ...more].filter(isTimeZone)).toEqual([]);
  });
});

describe("in any time zone, for any cadence", () => {
  // From 2026 on: since then no zone has left out a day.
  const instant = (until: string) =>
    fc.bigInt({ min: micros("2026-01-01T00:00Z"), max: micros(until) });
  const timeZone = fc.constantFrom(
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Nuuk",
    "America/Havana",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
  );
  const unit = fc.constantFrom(...UNITS);
  const every = fc.record({ count: fc.integer({ min: 1, max: 1_000 }), unit });
  const cadence = fc.record({ startTime: instant("2200-01-01T00:00Z"), every, timeZone });
  const number = fc.oneof(fc.nat(1_000), fc.nat(3_000_000));

  test("a period begins after the one before, and is current from its first instant on", () => {
    fc.assert(
      fc.property(cadence, number, (one, k) => {
        const [start, next] = [periodStart(one, k), periodStart(one, k + 1)].map(orLater);
        expect(next! > start! || start! > LAST_INSTANT).toBe(true);
        const isThere = start! <= LAST_INSTANT;
        expect(isThere ? periodAt(one, start!) : k).toBe(k);
        expect(isThere ? periodAt(one, start! - 1n) : k - 1).toBe(k - 1);
        expect(periodStart(one, 0)).toBe(one.startTime);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a window ends later, and whoever is in it sees the same end", () => {
    fc.assert(
      fc.property(unit, timeZone, instant("2500-01-01T00:00Z"), (one, zone, at) => {
        const end = windowEnd(one, zone, at);
        expect(end).toBeGreaterThan(at);
        expect(windowEnd(one, zone, end - 1n)).toBe(end);
        expect(windowEnd(one, zone, end)).toBeGreaterThan(end);
        const day = Temporal.Instant.fromEpochMilliseconds(Number(end / 1000n))
          .toZonedDateTimeISO(zone)
          .startOfDay();
        expect(written(day.epochNanoseconds / 1000n)).toBe(written(end));
      }),
      { numRuns: 2_000 },
    );
  });
});

function orLater(start: bigint | null): bigint {
  return start ?? LAST_INSTANT + 1n;
}

/** "1 month", "2026-01-31T09:00[Europe/Berlin]". */
function cadenceOf(every: string, from: string): Cadence {
  const [count, unit] = every.split(" ");
  const start = Temporal.ZonedDateTime.from(from);
  return {
    startTime: start.epochNanoseconds / 1000n,
    every: { count: Number(count), unit: unit as CalendarUnit },
    timeZone: start.timeZoneId,
  };
}

function micros(instant: string): bigint {
  return Temporal.Instant.from(instant).epochNanoseconds / 1000n;
}

function written(time: bigint | null): string | null {
  return time === null ? null : new Temporal.Instant(time * 1000n).toString();
}
