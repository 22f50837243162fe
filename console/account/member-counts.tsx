import { useQuery } from "@connectrpc/connect-query";
import { Progress, Text } from "@mantine/core";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import type { Limit } from "../../gen/points/v1/policy_pb.ts";
import { useFormats } from "../app/formats.ts";
import { useSession } from "../app/session.tsx";
import { TextLink } from "../parts/links.ts";
import { percentOf } from "../parts/percent.ts";
import { leastUse, membersOf, statusOf } from "./member-counts.ts";
import styles from "./policies.module.css";
import { usePolicyWords } from "./policy-words.ts";

const RECENT_ENTRIES = 100;

type Props = { readonly user: string; readonly name: string; readonly limit: Limit };

/** What each member who spent lately has spent of a limit: only a quote says so, of one member. */
export function MemberCounts({ user, name, limit }: Props) {
  const say = usePolicyWords();
  const { may } = useSession();
  const { data } = useQuery(
    PointsService.method.listEntries,
    { userId: user, pageSize: RECENT_ENTRIES, kinds: [EntryKind.CONSUME, EntryKind.FREEZE] },
    { enabled: may("points.read") },
  );
  const { data: prices } = useQuery(PointsService.method.getPriceList);
  const use = prices && leastUse(prices.prices, limit.service);
  const members = membersOf(data?.entries ?? []);
  if (prices !== undefined && use === undefined) {
    return (
      <Text size="sm" c="dimmed">
        {say("membersUnknown")}
      </Text>
    );
  }
  if (use === undefined || members.length === 0) return null;
  return (
    <ul className={styles["members"]} aria-label={say("members")}>
      {members.map((member) => (
        <MemberCount key={member} user={user} name={name} limit={limit} use={use} member={member} />
      ))}
    </ul>
  );
}

function MemberCount({
  user,
  name,
  limit,
  use,
  member,
}: Props & { readonly use: NonNullable<ReturnType<typeof leastUse>>; readonly member: string }) {
  const say = usePolicyWords();
  const { points } = useFormats();
  const { data } = useQuery(PointsService.method.quote, { userId: user, usage: use, member });
  const status = data && statusOf(data.limits, name);
  if (status === undefined) return null;
  return (
    <li>
      <Text size="sm" span>
        <TextLink inherit to="/statement" search={{ user, member }}>
          {member}
        </TextLink>
        {say("memberSpent", { spent: points(status.spent), points: points(limit.points) })}
      </Text>
      <Progress aria-hidden size="sm" value={percentOf(status.spent, limit.points)} />
    </li>
  );
}
