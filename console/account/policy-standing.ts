import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import type { PolicyStatus } from "../../gen/points/v1/policies_pb.ts";
import type { Limit } from "../../gen/points/v1/policy_pb.ts";
import { type Formats, useFormats } from "../app/formats.ts";
import { usePolicyWords } from "./policy-words.ts";

/** Where a policy stands, in sentences: what is spent of it, what comes next, what is owed. */
export function usePolicyStanding(status: PolicyStatus, account: Account): readonly string[] {
  const say = usePolicyWords();
  const formats = useFormats();
  const { points, instant } = formats;
  const { rule } = status.policy!;
  switch (rule.case) {
    case "allowance": {
      const { nextTime } = status;
      return [
        nextTime === undefined ? say("noNext") : say("nextTime", { time: instant(nextTime) }),
      ];
    }
    case "limit":
      return standingOf(rule.value, status, say, formats);
    case "alert": {
      const stands = account.balance + account.frozen - account.debt;
      return [say(stands < rule.value.below ? "isBelow" : "isAbove", { points: points(stands) })];
    }
    case "creditLine": {
      const { debt } = account;
      return [debt > 0n ? say("owesNow", { points: points(debt) }) : say("owesNothing")];
    }
    case undefined:
      return [];
  }
}

function standingOf(
  { points: most, eachMember }: Limit,
  { spent, resetsTime }: PolicyStatus,
  say: ReturnType<typeof usePolicyWords>,
  { points, instant }: Formats,
): readonly string[] {
  const sentences = [];
  // Each member has a count of its own: see MemberCounts.
  if (!eachMember && most > 0n) {
    const left = most - spent;
    const values = { spent: points(spent), points: points(most), left: points(left) };
    sentences.push(say(left < 0n ? "overspent" : "spent", values));
  }
  if (resetsTime !== undefined && timestampMs(resetsTime) > 0) {
    sentences.push(say("resets", { time: instant(resetsTime) }));
  }
  return sentences;
}
