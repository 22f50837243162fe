import fc from "fast-check";
import { expect, test } from "vitest";
import { before, comparePlaces, readCursor, writeCursor } from "../../src/feed/cursor.ts";
import { isKept, type Mark, withMark } from "../../src/feed/lives.ts";

const LEDGER = "0123abcd-0000-4000-8000-000000000000";
const MAX_CHARS = 1_024;
const MAX = 2n ** 63n - 1n;
const number = fc.bigInt({ min: 0n, max: MAX });
const mark = fc.record({ epoch: number, beginTime: number, feed: number, lsn: number });

test("a cursor that was written is read as it was, and fits into a request", () => {
  const hash = fc.stringMatching(/^[0-9a-f]{16}$/);
  const place = fc.oneof(
    fc.record({ epoch: number, feed: number, sequence: fc.bigInt({ min: 1n, max: MAX }), hash }),
    fc.tuple(number, number).map(([epoch, feed]) => before(epoch, feed)),
  );
  const cursor = fc.record({ place, marks: fc.array(mark, { maxLength: 13 }) });
  fc.assert(
    fc.property(cursor, (one) => {
      const text = writeCursor(LEDGER, one);
      expect(readCursor(LEDGER, text)).toEqual(one);
      expect(text.length).toBeLessThanOrEqual(MAX_CHARS);
      expect(readCursor(`1${LEDGER.slice(1)}`, text)).toBeUndefined();
      expect(readCursor(LEDGER, text.slice(0, -1))).not.toEqual(one);
    }),
  );
});

test.each([
  "",
  "0",
  "c1",
  "c1.0123abcd.1",
  "c1.0123abcd.1.2.3",
  "c1.0123abcd.01.2",
  "c1.0123abcd.1.-2",
  "c1.0123abcd.1.9223372036854775808",
  "c1.0123abcd.1.2.3.0123456789abcdeg",
  "c1.0123abcd.1.2~1-2-3",
  "c1.0123abcd.1.2~1-2-3-zzzzzzzzzzzzz",
  "c1.0123abcd.1.2~",
  `c1.0123abcd.1.2${"~1-2-3-4".repeat(17)}`,
  "c2.0123abcd.1.2",
])("%j is no cursor", (text) => {
  expect(readCursor(LEDGER, text)).toBeUndefined();
});

test("places are in the order of epoch, feed number, sequence and hash", () => {
  const places = [
    before(1n, 5n),
    { epoch: 1n, feed: 5n, sequence: 2n, hash: "ff" },
    { epoch: 1n, feed: 5n, sequence: 10n, hash: "00" },
    { epoch: 1n, feed: 5n, sequence: 10n, hash: "01" },
    before(1n, 10n),
    before(2n, 1n),
  ];
  expect(places.toReversed().toSorted(comparePlaces)).toEqual(places);
});

test("of many marks few stay, one of them a little older than any lag", () => {
  const lags = [0n, 2n ** 20n, 2n ** 24n, 2n ** 30n, 2n ** 34n];
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 1n, max: 2n ** 23n }), { maxLength: 300 }), (steps) => {
      let [marks, lsn]: [readonly Mark[], bigint] = [[], 2n ** 40n];
      const first = lsn;
      for (const step of steps) {
        lsn += step * 64n;
        marks = withMark(marks, { epoch: 1n, beginTime: 1n, feed: lsn, lsn });
      }
      expect(marks.length).toBeLessThanOrEqual(13);
      expect(marks).toEqual(marks.toSorted((one, other) => (one.lsn > other.lsn ? -1 : 1)));
      for (const lag of lags) {
        const lives = [
          { epoch: 1n, beginTime: 1n, forkLsn: undefined },
          { epoch: 2n, beginTime: 2n, forkLsn: lsn - lag },
        ];
        const kept = marks.find((one) => isKept(one, lives));
        // Blocks grow by eight, and so does what is in doubt beside what is lost, and no more.
        const oldest = lsn - 16n * (lag + 2n ** 29n);
        const isYoung = oldest <= first + 2n ** 29n;
        expect(isYoung || kept!.lsn >= oldest).toBe(true);
      }
    }),
  );
});
