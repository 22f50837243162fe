import { Stack, Text } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { useSession } from "../app/session.tsx";
import { OfAccount } from "../parts/of-account.tsx";
import { useTitle } from "../parts/title.ts";
import { Acts } from "./acts.tsx";
import { Figures } from "./figures.tsx";
import { Forecast } from "./forecast.tsx";
import { Holds } from "./holds.tsx";
import { Instant } from "../parts/instant.tsx";
import { useLedgerNow } from "../parts/ledger-clock.ts";
import { LiveSign } from "./live-sign.tsx";
import { Lots } from "./lots.tsx";
import { Policies } from "./policies.tsx";
import { useWatch } from "./use-watch.ts";
import { useWords } from "./words.ts";
import styles from "./account.module.css";

/** What a user has, what will become of it, and by which rules: as it is, by the second. */
export function AccountScreen() {
  const say = useWords();
  const { user } = useSearch({ from: "/account" });
  useTitle(say("title", { user }));
  return <OfAccount user={user}>{(read) => <LiveAccount key={user} read={read} />}</OfAccount>;
}

function LiveAccount({ read }: { readonly read: Account }) {
  const say = useWords();
  const { may } = useSession();
  const { account, state } = useWatch(read, may("points.read"));
  const nowMs = useLedgerNow(account.updateTime);
  const { userId: user, sequence, createTime, updateTime } = account;
  return (
    <Stack gap="md">
      <div className={styles["bar"]}>
        <LiveSign state={state} />
        <Acts user={user} />
      </div>
      <Figures account={account} next={read.nextExpiration} nowMs={nowMs} />
      <Lots user={user} nowMs={nowMs} />
      <Holds user={user} nowMs={nowMs} />
      <Policies user={user} account={account} />
      <Forecast account={account} nowMs={nowMs} />
      <Text size="sm" c="dimmed">
        <Instant time={createTime!} say={(time) => say("opened", { time })} />
        {" · "}
        {sequence === 0n ? (
          say("noEntries")
        ) : (
          <Instant time={updateTime!} say={(time) => say("changed", { time })} />
        )}
      </Text>
    </Stack>
  );
}
