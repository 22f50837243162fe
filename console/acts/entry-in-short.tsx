import { type Allocation, type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { isolated } from "../app/isolated.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import { useKindNames } from "../parts/kinds.ts";
import { rulePhrase } from "../parts/sentence/policy-phrase.ts";
import { PhraseText, useVoice } from "../parts/sentence/phrase-text.tsx";
import { Facts } from "../parts/facts.tsx";
import { Instant } from "../parts/instant.tsx";
import { signOf } from "../parts/signs.ts";
import { useWords } from "./words.ts";

/**
 * An entry in short.
 *
 * @param isThere it is in the journal, and can be opened; else it is what would be written
 */
export function EntryInShort({
  entry,
  isThere,
}: {
  readonly entry: Entry;
  readonly isThere: boolean;
}) {
  const say = useWords();
  const kindName = useKindNames();
  const voice = useVoice();
  const { points } = useFormats();
  const { userId: user, sequence, kind, refersTo, expireTime, usage, policy } = entry;
  const some = (number: bigint) => number !== 0n && points(number);
  const lots = (allocations: readonly Allocation[]) => {
    const shown = allocations.slice(0, LOTS_SHOWN);
    const texts = shown.map((one) =>
      say("ofLot", { lot: `${one.lot}`, points: points(one.points) }),
    );
    const more = allocations.length - shown.length;
    return [...texts, ...(more > 0 ? [say("moreLots", { more })] : [])].join(say("comma"));
  };
  const moves = kind !== EntryKind.SET_POLICY;
  const makes = kind === EntryKind.RECHARGE;
  return (
    <Facts
      rows={[
        [say("entry"), isThere ? <EntryLink user={user} sequence={sequence} /> : `#${sequence}`],
        [say("kind"), kindName(kind)],
        [say("points"), moves && points(entry.points)],
        [say(signOf(kind) > 0n ? "toLots" : "fromLots"), lots(makes ? [] : entry.allocations)],
        [say("about"), refersTo !== 0n && <EntryLink user={user} sequence={refersTo} />],
        [say("service"), usage?.service],
        [say("member"), entry.member],
        [say("policyName"), policy?.name],
        [
          say("policyRule"),
          policy &&
            (policy.rule.case ? (
              <PhraseText user={user} phrase={rulePhrase(voice, policy.rule)} />
            ) : (
              say("ended")
            )),
        ],
        [say("category"), entry.category],
        [say("services"), entry.services.map(isolated).join(", ")],
        [say("until"), expireTime ? <Instant time={expireTime} /> : makes && say("expires-never")],
        [say("owed"), some(entry.owed)],
        [say(uncoveredOf(entry)), some(entry.uncovered)],
        [say("repaid"), some(entry.repaid)],
        [say("alerts"), entry.alerts.map(isolated).join(", ")],
        [say("time"), isThere && entry.createTime && <Instant time={entry.createTime} />],
        [say("reason"), entry.metadata["reason"]],
        [say("ticket"), entry.metadata["ticket"]],
        [say("askedBy"), entry.actor],
      ]}
    />
  );
}

/** What its uncovered points are: what a lot lacks is claimed, and a refund ends such a claim. */
export function uncoveredOf({ kind, refersTo }: Entry): "uncovered" | "claimed" | "claimEnded" {
  if (kind === EntryKind.REFUND) return "claimEnded";
  return kind === EntryKind.REVOKE && refersTo > 0n ? "claimed" : "uncovered";
}

/** At most the first ten lots: an entry may be of thousands. */
const LOTS_SHOWN = 10;
