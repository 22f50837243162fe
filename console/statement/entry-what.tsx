import { Text } from "@mantine/core";
import type { CSSProperties } from "react";
import { type Entry, EntryKind } from "../../gen/points/v1/account_pb.ts";
import { useFormats } from "../app/formats.ts";
import { isolated } from "../app/isolated.ts";
import { EntryLink } from "../parts/entry-link.tsx";
import { KindBadge } from "../parts/kind-badge.tsx";
import type { StatementRow } from "./arrange.ts";
import { shortMetadata } from "../parts/short-metadata.ts";
import styles from "./statement.module.css";
import { useWords } from "./words.ts";

/** What an entry was for, in the room of a cell. */
export function EntryWhat({ user, row }: { readonly user: string; readonly row: StatementRow }) {
  const { entry, level } = row;
  const { kind, metadata, refersTo } = entry;
  const beside = useBeside(entry);
  return (
    <div
      className={level > 0 ? styles["beneath"] : undefined}
      style={{ "--level": level } as CSSProperties}
    >
      <div className={styles["what"]}>
        <KindBadge kind={kind} />
        {refersTo > 0n && level === 0 && <EntryLink user={user} sequence={refersTo} />}
        <Text span size="sm">
          {shortMetadata(metadata)}
        </Text>
      </div>
      {beside.length > 0 && (
        <Text size="xs" c="dimmed">
          {beside.join(" · ")}
        </Text>
      )}
      <NarrowRest entry={entry} />
    </div>
  );
}

/** What other columns say where there is room for them. */
function NarrowRest({ entry: { createTime, usage, member, actor } }: { readonly entry: Entry }) {
  const say = useWords();
  const formats = useFormats();
  const texts = [
    createTime ? formats.instant(createTime) : "",
    isolated(usage?.service ?? ""),
    member && say("forMember", { member }),
    actor && say("by", { actor }),
  ].filter((text) => text !== "");
  return (
    <Text size="xs" c="dimmed" className={styles["narrowOnly"]}>
      {texts.join(" · ")}
    </Text>
  );
}

/** What the figures do not say. */
function useBeside(entry: Entry): readonly string[] {
  const say = useWords();
  const formats = useFormats();
  const { kind, cause, policy, refersTo, keptOpen, fromClaim, alerts } = entry;
  const amount = (key: Amount, points: bigint) =>
    points > 0n && say(key, { points: formats.points(points) });
  const uncovered: Amount =
    kind === EntryKind.REFUND
      ? "unclaimed"
      : kind === EntryKind.REVOKE && refersTo > 0n
        ? "claimed"
        : "uncovered";
  const texts = [
    cause && say("cause", { cause }),
    policy && say(policy.rule.case ? "policyPut" : "policyEnded", { name: policy.name }),
    kind === EntryKind.ERASE && say("erased"),
    amount("wentBack", entry.returned),
    keptOpen && say("staysOpen"),
    amount("fromBalance", entry.fromBalance),
    amount("owed", entry.owed),
    amount(uncovered, entry.uncovered),
    amount("repaid", entry.repaid),
    fromClaim && say("fromClaim"),
    ...alerts.map((name) => say("alert", { name })),
  ];
  return texts.filter((text) => typeof text === "string" && text !== "") as string[];
}

type Amount =
  "wentBack" | "fromBalance" | "owed" | "uncovered" | "claimed" | "unclaimed" | "repaid";
