import { expect, test } from "vitest";
import { Shortfall } from "../../../gen/points/v1/points_pb.ts";
import { lifeWithHold } from "./life.ts";

// Moments are milliseconds; the clock began with the moment 0. Each life begins with 100 points
// that expire at 60 (entry 1, at 10), 10 points that never expire (entry 2, at 12), and 30 of the
// first held until 40 (entry 3, at 14). A call takes 2 ms, and its entry has the time of its middle.

test("a journal is right if everything due is booked late, but in order", async () => {
  const life = lifeWithHold();
  life.bookDue(100);
  life.call(100, { case: "consume", value: points(5n) });
  expect(life.times()).toEqual([10, 12, 14, 40, 60, 101]);
  expect(await life.findings()).toEqual([]);
});

test("an entry of what was due has the time at which it fell due, not of its booking", async () => {
  const life = lifeWithHold();
  life.bookDue(50, { time: 50 });
  expect(await life.findings({ readAt: 55 })).toEqual([expect.stringContaining("entry 4 is\n")]);
});

test("nothing is booked before it is due", async () => {
  const life = lifeWithHold();
  life.bookDue(40);
  expect(await life.findings({ readAt: 38 })).toEqual([
    "entry 4 is of 40000, which is not within all calls, from 9000 to 39000",
  ]);
});

test("entries of what is due come before a command", async () => {
  const life = lifeWithHold();
  life.call(50, { case: "consume", value: points(1n) });
  expect(await life.findings()).toEqual(["entry 4: the release of what was due had to come first"]);
});

test("everything due is booked before an account is shown", async () => {
  const life = lifeWithHold();
  expect(await life.findings({ readAt: 50 })).toEqual([
    "what was due is not booked after the last entry",
  ]);
});

test("a refusal takes into account what was due by then", async () => {
  const life = lifeWithHold();
  life.refuseTooMuch(50);
  life.bookDue(50);
  life.refuseTooMuch(50);
  expect(await life.findings()).toEqual([
    expect.stringMatching(/^op-4 was refused without a reason: .* \{"balance":"80"/),
  ]);
});

test("an Expire of what is due is answered with the last entry that it made", async () => {
  const life = lifeWithHold();
  life.bookDue(70);
  life.answerDue(70, 5n);
  life.answerDue(75, undefined);
  expect(await life.findings()).toEqual([]);
});

test("an Expire of what is due may not be answered with an entry before the last", async () => {
  const life = lifeWithHold();
  life.bookDue(70);
  life.answerDue(70, 4n);
  expect(await life.findings()).toEqual([expect.stringContaining("op-4 was answered as if")]);
});

test("an Expire of what is due may not be answered with an entry from before the call", async () => {
  const life = lifeWithHold();
  life.bookDue(70);
  life.call(70, { case: "consume", value: points(1n) });
  life.answerDue(75, 5n);
  expect(await life.findings()).toEqual([expect.stringContaining("op-5 was answered as if")]);
});

test("an Expire of what is due may not be answered without an entry while something is", async () => {
  const life = lifeWithHold();
  life.answerDue(50, undefined);
  life.bookDue(50);
  expect(await life.findings()).toEqual([expect.stringContaining("op-4 was answered as if")]);
});

test("an acknowledged entry of what was due is in the journal", async () => {
  const life = lifeWithHold();
  life.bookDue(50);
  life.answerDue(50, 4n);
  life.forgetLast();
  expect(await life.findings({ readAt: 53 })).toContain(
    "op-4 was acknowledged and is not in the journal",
  );
});

test("an account's time stops while the clock is behind it, and never goes back", async () => {
  const life = lifeWithHold();
  life.setClockBack(5);
  // The clock reads 11 to 13 during the call.
  life.call(16, { case: "consume", value: points(1n) }, { time: 14 });
  expect(await life.findings()).toEqual([]);
  life.call(18, { case: "consume", value: points(1n) }, { time: 13 });
  expect(await life.findings()).toContain("entry 5 is older than the one before it");
});

test("what a claim takes comes right after what brought points back to its lot", async () => {
  for (const isBooked of [true, false]) {
    const life = lifeWithHold();
    // It takes 70, and claims the 30 that are held.
    const target = { case: "lot", value: 1n } as const;
    life.call(15, { case: "revoke", value: { target, onShortfall: Shortfall.TAKE } });
    life.call(18, { case: "release", value: { hold: 3n } });
    if (isBooked) life.bookDue(20);
    life.call(21, { case: "consume", value: points(10n) });
    expect(life.times()).toEqual([10, 12, 14, 16, 19, ...(isBooked ? [19] : []), 22]);
    expect(await life.findings()).toEqual(
      isBooked ? [] : ["entry 6: the revoke of what was due had to come first"],
    );
  }
});

test("a withdrawn caller gets no answer, and no request of theirs is applied", async () => {
  const life = lifeWithHold([{ from: 20, upTo: 30 }]);
  life.call(19, { case: "consume", value: points(1n) });
  life.call(31, { case: "consume", value: points(1n) });
  expect(await life.findings()).toEqual([]);
  life.call(25, { case: "consume", value: points(1n) });
  const found = await life.findings();
  expect(found).toContain("op-6 was answered while its caller was out");
  expect(found).toContain("op-6 was applied while its caller was out");
});

function points(some: bigint) {
  return { cost: { case: "points" as const, value: some } };
}
