import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { readTime } from "../../src/transfer/time.ts";

test.each([
  ["2030-01-31T12:00:00Z", "2030-01-31T12:00:00Z", 0],
  ["2030-01-31t12:00:00z", "2030-01-31T12:00:00Z", 0],
  ["2030-01-31 12:00:00+00", "2030-01-31T12:00:00Z", 0],
  ["2030-01-31 12:00:00.123456+02", "2030-01-31T10:00:00Z", 123_456_000],
  ["2030-01-31 12:00:00.000001-0930", "2030-01-31T21:30:00Z", 1_000],
  ["2030-01-31T12:00:00.5+05:45", "2030-01-31T06:15:00Z", 500_000_000],
  ["2030-01-31T12:00:00.123456000Z", "2030-01-31T12:00:00Z", 123_456_000],
  ["1890-01-01 00:00:00+00:53:28", "1889-12-31T23:06:32Z", 0],
  ["2030-01-31 12:00:00 UTC", "2030-01-31T12:00:00Z", 0],
  ["2030-01-31 12:00:00 +0100", "2030-01-31T11:00:00Z", 0],
  ["2028-02-29T23:59:59Z", "2028-02-29T23:59:59Z", 0],
  ["1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z", 500_000_000],
  ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 0],
  ["9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59Z", 999_999_000],
])("reads %s", (text, utc, nanos) => {
  expect(readTime("t", text)).toEqual({ ...timestampFromDate(new Date(utc)), nanos });
});

test.each([undefined, null, "", "infinity"])("reads %s as never", (value) => {
  expect(readTime("t", value)).toBeUndefined();
});

test.each([
  ["2030-02-31T00:00:00Z", "is no day or time that there is"],
  ["2029-02-29 00:00:00+00", "is no day or time that there is"],
  ["2030-13-01T00:00:00Z", "is no day or time that there is"],
  ["2030-00-01T00:00:00Z", "is no day or time that there is"],
  ["2030-01-31T24:00:00Z", "is no day or time that there is"],
  ["2030-01-31T12:60:00Z", "is no day or time that there is"],
  ["2030-01-31T12:00:60Z", "is no day or time that there is"],
  ["2030-01-31T12:00:00+24:00", "has no time zone that there is"],
  ["2030-01-31T12:00:00+01:60", "has no time zone that there is"],
  ["2030-01-31 12:00:00", "has no time zone: write it as 2030-01-31T12:00:00Z or 2030-01-31 12:00"],
  ["2030-01-31T12:00:00.1234567Z", "is finer than a microsecond"],
  ["0001-01-01T00:00:00+01:00", "is not of the years 1 to 9999"],
  ["9999-12-31T23:59:59-00:01", "is not of the years 1 to 9999"],
  ["0000-01-01T00:00:00Z", "is not of the years 1 to 9999"],
  ["31.01.2030", "is no time as 2030-01-31T12:00:00Z"],
  ["1/31/2030", "is no time as 2030-01-31T12:00:00Z"],
  ["2030-01-31", "is no time as 2030-01-31T12:00:00Z"],
  ["12030-01-31T12:00:00Z", "is no time as 2030-01-31T12:00:00Z"],
  ["2030-01-31 12:00:00+00 BC", "is no time as 2030-01-31T12:00:00Z"],
  ["2030-01-31 12:00:00 CET", "is no time as 2030-01-31T12:00:00Z"],
  ["-infinity", "is no time as 2030-01-31T12:00:00Z"],
  ["45688.5", "is no time as 2030-01-31T12:00:00Z"],
])("refuses %s", (text, why) => {
  expect(() => readTime("t", text)).toThrow(`t ${JSON.stringify(text)} ${why}`);
});

test.each([1_893_456_000, 1_893_456_000_000_000_000n, true, ["x"]])("refuses %s", (value) => {
  expect(() => readTime("t", value)).toThrow(/^t .* is no time as 2030-01-31T12:00:00Z$/);
});
