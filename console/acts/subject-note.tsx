import { Paper, Stack } from "@mantine/core";
import type { Hold, Lot } from "../../gen/points/v1/account_pb.ts";
import type { GetEntryResponse } from "../../gen/points/v1/points_pb.ts";
import type { Policy } from "../../gen/points/v1/policy_pb.ts";
import { useSearch } from "@tanstack/react-router";
import { useFormats } from "../app/formats.ts";
import { rulePhrase } from "../parts/sentence/policy-phrase.ts";
import { PhraseText, useVoice } from "../parts/sentence/phrase-text.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import { Facts } from "../parts/facts.tsx";
import { Instant } from "../parts/instant.tsx";
import type { Act } from "../parts/acts.ts";
import { EntryInShort } from "./entry-in-short.tsx";
import { leftToRefund } from "../parts/refundable.ts";
import type { Subject } from "./subject.ts";
import { useWords } from "./words.ts";

/** What the act is about: the entry, lot or hold as it was when the form was opened. */
export function SubjectNote({ act, subject }: { readonly act: Act; readonly subject: Subject }) {
  const say = useWords();
  const facts = factsOf(act, subject);
  if (facts === null) return null;
  return (
    <Paper withBorder p="md" component="section" aria-label={say("subject")}>
      <Stack gap="xs">{facts}</Stack>
    </Paper>
  );
}

function factsOf(act: Act, { about, lot, hold, policy }: Subject) {
  if (policy?.policy) return <PolicyFacts policy={policy.policy} setBy={policy.sequence} />;
  if (act === "release") return hold ? <HoldFacts hold={hold} /> : null;
  if (about?.entry === undefined) return null;
  return (
    <>
      <EntryInShort entry={about.entry} isThere />
      {act === "refund" ? <RefundFacts about={about} /> : <LotFacts about={about} lot={lot} />}
    </>
  );
}

function RefundFacts({ about }: { readonly about: GetEntryResponse }) {
  const say = useWords();
  const { points } = useFormats();
  return (
    <Facts
      rows={[
        [say("refunded"), points(about.refunded)],
        [say("left"), points(leftToRefund(about))],
      ]}
    />
  );
}

function LotFacts({
  about: { claimed, revoked },
  lot,
}: {
  readonly about: GetEntryResponse;
  readonly lot: Lot | undefined;
}) {
  const say = useWords();
  const { points } = useFormats();
  const some = (number: bigint) => number > 0n && points(number);
  return (
    <Facts
      rows={[
        [say("remaining"), points(lot?.remaining ?? 0n)],
        [say("frozen"), some(lot?.frozen ?? 0n)],
        [say("revoked"), some(revoked - claimed)],
        [say("claimed"), some(claimed)],
      ]}
    />
  );
}

function PolicyFacts({ policy, setBy }: { readonly policy: Policy; readonly setBy: bigint }) {
  const say = useWords();
  const voice = useVoice();
  const user = useSearch({ from: "/act", select: (search) => search.user });
  return (
    <Facts
      rows={[
        [say("policyName"), policy.name],
        [say("policyRule"), <PhraseText user={user} phrase={rulePhrase(voice, policy.rule)} />],
        [
          say("setBy"),
          <>
            <EntryLink user={user} sequence={setBy} /> {say("setByEnd")}
          </>,
        ],
      ]}
    />
  );
}

function HoldFacts({ hold }: { readonly hold: Hold }) {
  const say = useWords();
  const { points } = useFormats();
  const { number, settled, service, member, expireTime } = hold;
  return (
    <Facts
      rows={[
        [say("hold"), String(number)],
        [say("held"), points(hold.points - settled)],
        [say("settled"), settled > 0n && points(settled)],
        [say("service"), service],
        [say("member"), member],
        [say("until"), expireTime && <Instant time={expireTime} />],
      ]}
    />
  );
}
