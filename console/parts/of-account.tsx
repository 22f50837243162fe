import { useQuery } from "@connectrpc/connect-query";
import { Alert, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import type { Account } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { refusalOf } from "../../src/client/refusal.ts";
import { wordsOf } from "../app/words.ts";
import { AccountTabs } from "./account-tabs.tsx";
import { Awaited } from "./awaited.tsx";
import { TextLink } from "./links.ts";

/** A screen of one account under its heading, or that there is no such account. */
export function OfAccount({
  user,
  children,
}: {
  readonly user: string;
  readonly children: (account: Account) => ReactNode;
}) {
  const asked = useQuery(PointsService.method.getAccount, { userId: user });
  if (refusalOf(asked.error)?.reason === "ACCOUNT_NOT_FOUND") {
    return <NoAccount user={user} />;
  }
  return (
    <>
      <AccountTabs user={user} />
      <Awaited of={asked}>{({ account }) => children(account!)}</Awaited>
    </>
  );
}

const useWords = wordsOf("no-account", {
  en: {
    noAccount: "There is no account {{user}}",
    noAccountHint:
      "Nobody of this id has ever had points here, or the id is written differently: capitals count.",
    find: "Find another",
  },
  zh: {
    noAccount: "没有账户 {{user}}",
    noAccountHint: "此 ID 的用户从未在这里有过积分，或者 ID 的写法不同：区分大小写。",
    find: "查找其他用户",
  },
});

/** Says where to look for another. */
function NoAccount({ user }: { readonly user: string }) {
  const say = useWords();
  return (
    <Alert color="gray" variant="outline" role="alert">
      <Title order={1} size="h3" mb="xs" style={{ overflowWrap: "anywhere" }}>
        {say("noAccount", { user })}
      </Title>
      <Text mb="xs">{say("noAccountHint")}</Text>
      <TextLink to="/" search={{ q: user }}>
        {say("find")}
      </TextLink>
    </Alert>
  );
}
