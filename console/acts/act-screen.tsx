import { Alert, Group, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useSession } from "../app/session.tsx";
import { AccountTabs } from "../parts/account-tabs.tsx";
import { ButtonLink } from "../parts/links.ts";
import { type Act, ACTS, isAct } from "../parts/acts.ts";
import { Loading } from "../parts/loading.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { useTitle } from "../parts/title.ts";
import { ActForm } from "./act-form.tsx";
import { readSubject, type Subject } from "./subject.ts";
import { SubjectNote } from "./subject-note.tsx";
import { leftToRefund } from "../parts/refundable.ts";
import { HoldState } from "../../gen/points/v1/account_pb.ts";
import { useWords } from "./words.ts";

/** An act on an account: /act?user=ada&act=refund&of=42. Without an act: those that there are. */
export function ActScreen() {
  const { user, act, of = "" } = useSearch({ from: "/act" });
  const say = useWords();
  const [forms, setForms] = useState(0);
  const title = isAct(act) ? say(`title-${act}${of === "" ? "" : "-of"}`, { of }) : say("title");
  useTitle(`${title} · ${user}`);
  return (
    <Stack gap="md">
      <AccountTabs user={user} />
      <Title order={2} size="h3">
        {title}
      </Title>
      {isAct(act) ? (
        <Allowed
          // Each form has a request id of its own.
          key={JSON.stringify([user, act, of, forms])}
          {...{ user, act, of }}
          onAgain={() => setForms(forms + 1)}
        />
      ) : (
        <Choice user={user} />
      )}
    </Stack>
  );
}

type Address = { readonly user: string; readonly act: Act; readonly of: string };

function Allowed(props: Address & { readonly onAgain: () => void }) {
  const say = useWords();
  const { may } = useSession();
  const { scope, needsOf } = ACTS[props.act];
  if (!may(scope)) return <Alert color="yellow">{say("mayNot", { scope })}</Alert>;
  if (needsOf && props.of === "")
    return <Text>{say(`from-${ACTS[props.act].of ?? "entry"}`)}</Text>;
  return <Opened {...props} />;
}

/**
 * The form, once what it is about has been read. From then on it stays, and so does what it was
 * opened on: neither another sign-in nor a change of the account takes away what was typed.
 */
function Opened({ user, act, of, onAgain }: Address & { readonly onAgain: () => void }) {
  const [subject, setSubject] = useState<Subject>();
  const { data, error, refetch, isFetchedAfterMount } = useQuery({
    // Among the answers of RPCs, which another sign-in asks for again.
    queryKey: ["connect-query", "subject", user, act, of],
    queryFn: () => readSubject(user, act, of),
    enabled: subject === undefined,
    gcTime: 0,
  });
  if (subject === undefined && data !== undefined && isFetchedAfterMount) setSubject(data);
  if (subject !== undefined && isOver(act, subject)) return <Over act={act} subject={subject} />;
  if (subject !== undefined) return <ActForm {...{ user, act, subject, onAgain }} />;
  if (error !== null) return <RefusalNote error={error} onRetry={() => void refetch()} />;
  return <Loading />;
}

/** Whether nothing is left that the act could be done to. */
function isOver(act: Act, { about, hold }: Subject): boolean {
  if (act === "refund") return about === undefined || leftToRefund(about) <= 0n;
  return act === "release" && hold?.state !== HoldState.OPEN;
}

function Over(props: { readonly act: Act; readonly subject: Subject }) {
  const say = useWords();
  return (
    <>
      <SubjectNote {...props} />
      <Text>{say(`over-${props.act === "refund" ? "refund" : "release"}`)}</Text>
    </>
  );
}

function Choice({ user }: { readonly user: string }) {
  const say = useWords();
  const { may } = useSession();
  const acts = (["recharge", "revoke", "expire", "policy"] as const).filter((act) =>
    may(ACTS[act].scope),
  );
  return (
    <Stack>
      <Group>
        {acts.map((act) => (
          <ButtonLink key={act} to="/act" search={{ user, act }} variant="default">
            {say(`title-${act}`)}
          </ButtonLink>
        ))}
      </Group>
      <Text size="sm" c="dimmed">
        {say("elsewhere")}
      </Text>
    </Stack>
  );
}
