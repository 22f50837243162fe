import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AccountSchema } from "../../../gen/points/v1/account_pb.ts";
import { ConsumeRequestSchema } from "../../../gen/points/v1/points_pb.ts";
import { noDoubts, withoutDoubts } from "./doubts.ts";
import type { Asked, History, Opened, Outcome } from "./history.ts";

const EMPTY = new Uint8Array();
const APPLIED: Outcome = {
  kind: "applied",
  replayed: false,
  entry: EMPTY,
  account: EMPTY,
  hold: undefined,
  sequence: 1n,
};
const REFUSED: Outcome = { kind: "refused", reason: "INSUFFICIENT_POINTS", metadata: {} };

test("in a doubtful window acknowledgements count, and reads and refusals do not", () => {
  const doubts = noDoubts();
  const before = performance.now() - 1;
  const isOver = doubts.begin();
  const during = performance.now();
  isOver();
  const after = performance.now() + 1;
  const history: History = {
    userId: "ada",
    caller: { name: "", outs: [] },
    asked: [
      asked(APPLIED, before, after),
      asked({ ...APPLIED, entry: undefined }, during, during),
      asked(REFUSED, during, after),
      asked(REFUSED, after, after),
    ],
    opened: [opened(0n, during), opened(1n, during), opened(1n, after)],
    openedFrom: before,
  };
  const sure = withoutDoubts(history, doubts);
  const kinds = sure.asked.map(({ attempts }) => attempts[0]?.outcome?.kind);
  expect(kinds).toEqual(["applied", "notApplied", "notApplied", "refused"]);
  expect(sure.opened).toEqual([history.opened[0], history.opened[2]]);
  expect(doubts.isSure(before, before)).toBe(true);
  expect(doubts.isSure(before, after)).toBe(false);
});

function asked(outcome: Outcome, start: number, end: number): Asked {
  const value = create(ConsumeRequestSchema, { userId: "ada" });
  const attempts = [{ start, end, call: 1, place: 0, outcome }];
  return { tag: "op-1", operation: { case: "consume", value }, attempts };
}

function opened(sequence: bigint, at: number): Opened {
  const account = create(AccountSchema, { userId: "ada", sequence });
  const bytes = toBinary(AccountSchema, account);
  return { start: at, end: at, created: false, account, bytes };
}
