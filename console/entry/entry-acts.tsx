import { Group } from "@mantine/core";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { type Scope, useSession } from "../app/session.tsx";
import { ButtonLink } from "../parts/links.ts";
import { closingOf, madeLot, refundableOf } from "./fate.ts";
import type { Subject } from "./subject.ts";
import { useWords } from "./words.ts";

/** Leads to the acts that are about an entry and that the caller may do. */
export function EntryActs({ subject }: { readonly subject: Subject }) {
  const say = useWords();
  const { may } = useSession();
  const { userId: user, sequence } = subject.entry;
  const acts = actsOf(subject).filter(({ scope }) => may(scope));
  if (acts.length === 0) return null;
  return (
    <Group gap="xs" mt="md" role="group" aria-label={say("acts")}>
      {acts.map(({ act, word }) => (
        <ButtonLink
          key={act}
          to="/act"
          search={{ user, act, of: String(sequence) }}
          variant="default"
          size="xs"
        >
          {say(word)}
        </ButtonLink>
      ))}
    </Group>
  );
}

type Act = {
  readonly act: string;
  readonly scope: Scope;
  readonly word: "refundIt" | "revokeLot" | "expireLot" | "releaseHold";
};

/** What could be done about an entry as it stands. */
function actsOf(subject: Subject): readonly Act[] {
  const { entry, refunded, revoked } = subject;
  const acts: Act[] = [];
  if (refunded < refundableOf(entry)) {
    acts.push({ act: "refund", scope: "points.refund", word: "refundIt" });
  }
  if (madeLot(entry)) {
    if (revoked < entry.points) {
      acts.push({ act: "revoke", scope: "points.revoke", word: "revokeLot" });
    }
    acts.push({ act: "expire", scope: "points.revoke", word: "expireLot" });
  }
  if (entry.kind === EntryKind.FREEZE && closingOf(subject) === undefined) {
    acts.push({ act: "release", scope: "points.spend", word: "releaseHold" });
  }
  return acts;
}
