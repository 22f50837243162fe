import { useQuery } from "@connectrpc/connect-query";
import { Badge, Progress, Text } from "@mantine/core";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { PolicyService, type PolicyStatus } from "../../gen/points/v1/policies_pb.ts";
import type { Limit } from "../../gen/points/v1/policy_pb.ts";
import { ActLink } from "../parts/act-link.tsx";
import { Awaited } from "../parts/awaited.tsx";
import { EntryLink } from "../parts/entry-link.tsx";
import accountStyles from "./account.module.css";
import { percentOf } from "../parts/percent.ts";
import { MemberCounts } from "./member-counts.tsx";
import styles from "./policies.module.css";
import { usePolicyStanding } from "./policy-standing.ts";
import { usePolicyWords } from "./policy-words.ts";
import { Section } from "../parts/section.tsx";
import { useVoice } from "../parts/sentence/phrase-text.tsx";
import { ruleSentence } from "../parts/sentence/policy-phrase.ts";

type Props = { readonly user: string; readonly account: Account };

/** The rules that the account lives by, and where they stand. */
export function Policies({ user, account }: Props) {
  const say = usePolicyWords();
  const asked = useQuery(PolicyService.method.listPolicies, { userId: user });
  return (
    <Section title={say("title")} hint={say("hint")}>
      <Awaited of={asked}>
        {({ policies }) =>
          policies.length === 0 ? (
            <Text>{say("none")}</Text>
          ) : (
            <ul className={accountStyles["rows"]}>
              {policies.map((status) => (
                <PolicyRow
                  key={status.policy!.name}
                  user={user}
                  account={account}
                  status={status}
                />
              ))}
            </ul>
          )
        }
      </Awaited>
    </Section>
  );
}

function PolicyRow({ user, account, status }: Props & { readonly status: PolicyStatus }) {
  const say = usePolicyWords();
  const voice = useVoice();
  const standing = usePolicyStanding(status, account);
  const { name, rule } = status.policy!;
  return (
    <li className={styles["policy"]}>
      <div className={styles["name"]}>
        <strong>{name}</strong>
        <Badge variant="default" size="sm" tt="none" fw={400}>
          {rule.case === undefined ? "?" : say(rule.case)}
        </Badge>
        <div className={styles["set"]}>
          <Text span size="xs" c="dimmed">
            {say("setBy")}
          </Text>
          <EntryLink user={user} sequence={status.sequence} />
          <Text span size="xs" c="dimmed">
            {say("setByEnd")}
          </Text>
        </div>
      </div>
      <div className={styles["what"]}>
        <Text size="sm" className={accountStyles["text"]}>
          {ruleSentence(voice, rule) || say("unknown")}
        </Text>
        <Text size="sm" c="dimmed" className={accountStyles["text"]}>
          {standing.join(say("between"))}
        </Text>
        {rule.case === "limit" && (
          <Count user={user} name={name} limit={rule.value} status={status} />
        )}
      </div>
      <div className={accountStyles["end"]}>
        <ActLink user={user} act="policy" of={name} about={say("named", { name })} />
        <ActLink user={user} act="delete-policy" of={name} about={say("named", { name })} />
      </div>
    </li>
  );
}

/** How much of a limit is used up. */
function Count({
  user,
  name,
  limit,
  status,
}: {
  readonly user: string;
  readonly name: string;
  readonly limit: Limit;
  readonly status: PolicyStatus;
}) {
  if (limit.points === 0n) return null;
  if (limit.eachMember) return <MemberCounts user={user} name={name} limit={limit} />;
  return <Progress aria-hidden size="sm" value={percentOf(status.spent, limit.points)} />;
}
