import { Paper, Stack } from "@mantine/core";
import { useFormats } from "../app/formats.ts";
import { policyPhrase } from "../parts/sentence/policy-phrase.ts";
import { PhraseText, useVoice } from "../parts/sentence/phrase-text.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import { HoldState } from "../../gen/points/v1/account_pb.ts";
import type { PolicyStatus } from "../../gen/points/v1/policies_pb.ts";
import { useSearch } from "@tanstack/react-router";
import { EntryInShort } from "./entry-in-short.tsx";
import { Facts } from "./facts.tsx";
import { Instant } from "../parts/instant.tsx";
import { leftToRefund } from "../parts/refundable.ts";
import type { Subject } from "./subject.ts";
import { useWords } from "./words.ts";
import type { Act } from "../parts/acts.ts";

/** What the act is about: the entry, lot or hold as it was when the form was opened. */
export function SubjectNote({ act, subject }: { readonly act: Act; readonly subject: Subject }) {
  const say = useWords();
  const { about, hold, policy } = subject;
  if (!about && !policy) return null;
  return (
    <Paper withBorder p="md" component="section" aria-label={say("subject")}>
      <Stack gap="xs">
        {act === "refund" && <RefundFacts subject={subject} />}
        {(act === "revoke" || act === "expire") && <LotFacts subject={subject} />}
        {hold && <HoldFacts hold={hold} />}
        {policy && <PolicyFacts policy={policy} />}
      </Stack>
    </Paper>
  );
}

function RefundFacts({ subject: { about } }: { readonly subject: Subject }) {
  const say = useWords();
  const { points } = useFormats();
  if (!about?.entry) return null;
  return (
    <>
      <EntryInShort entry={about.entry} isThere />
      <Facts
        rows={[
          [say("refunded"), points(about.refunded)],
          [say("left"), points(leftToRefund(about))],
        ]}
      />
    </>
  );
}

function LotFacts({ subject: { about, lot } }: { readonly subject: Subject }) {
  const say = useWords();
  const { points } = useFormats();
  if (!about?.entry) return null;
  const { claimed, revoked } = about;
  return (
    <>
      <EntryInShort entry={about.entry} isThere />
      <Facts
        rows={[
          [say("remaining"), points(lot?.remaining ?? 0n)],
          [say("frozen"), lot && lot.frozen > 0n ? points(lot.frozen) : undefined],
          [say("revoked"), revoked > 0n ? points(revoked) : undefined],
          [say("claimed"), claimed > 0n ? points(claimed) : undefined],
        ]}
      />
    </>
  );
}

function PolicyFacts({ policy: { policy, sequence } }: { readonly policy: PolicyStatus }) {
  const say = useWords();
  const voice = useVoice();
  const user = useSearch({ from: "/act", select: (search) => search.user });
  if (policy === undefined) return null;
  return (
    <Facts
      rows={[
        [say("policyName"), <PhraseText user={user} phrase={policyPhrase(voice, policy)} />],
        [say("setBy"), <EntryLink user={user} sequence={sequence} />],
      ]}
    />
  );
}

function HoldFacts({ hold }: { readonly hold: NonNullable<Subject["hold"]> }) {
  const say = useWords();
  const { points } = useFormats();
  const isOpen = hold.state === HoldState.OPEN;
  const { settled, service, member, expireTime } = hold;
  return (
    <>
      <Facts
        rows={[
          [say("hold"), String(hold.number)],
          [say("held"), isOpen ? points(hold.points - settled) : undefined],
          [say("settled"), settled > 0n ? points(settled) : undefined],
          [say("service"), service],
          [say("member"), member],
          [say("until"), expireTime && <Instant time={expireTime} />],
        ]}
      />
    </>
  );
}
