import { Alert, Button, Stack, Text, Title } from "@mantine/core";
import { Navigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { askForAnotherToken } from "../app/credentials.ts";
import { useSession } from "../app/session.tsx";
import { AccountTabs } from "../parts/account-tabs.tsx";
import { TextLink } from "../parts/links.ts";
import { Loading } from "../parts/loading.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { useTitle } from "../parts/title.ts";
import { ActForm } from "./act-form.tsx";
import { type ActOn, actOn } from "./act-on.ts";
import { type Act, ACTS, isAct } from "../parts/acts.ts";
import { leftToRefund } from "../parts/refundable.ts";
import { readSubject, type Subject } from "./subject.ts";
import { SubjectNote } from "./subject-note.tsx";
import { useReadOnce } from "./use-read-once.ts";
import { useWords } from "./words.ts";

/** An act on an account: /act?user=ada&act=refund&of=42. The acts that there are stand on it. */
export function ActScreen() {
  const { user, act, of = "" } = useSearch({ from: "/act" });
  if (!isAct(act)) return <Navigate to="/account" search={{ user }} replace />;
  return <ActOf {...{ user, act, of }} />;
}

type Address = { readonly user: string; readonly act: Act; readonly of: string };

function ActOf({ user, act, of }: Address) {
  const say = useWords();
  const [forms, setForms] = useState(0);
  const title = say(`title-${act}${of === "" ? "" : "-of"}`, { of });
  useTitle(`${title} · ${user}`);
  return (
    <Stack gap="md">
      <AccountTabs user={user} />
      <Title order={2} size="h3">
        {title}
      </Title>
      <Allowed
        // Each form has a request id of its own.
        key={JSON.stringify([user, act, of, forms])}
        {...{ user, act, of }}
        onAgain={() => setForms(forms + 1)}
      />
    </Stack>
  );
}

/** A form that is there stays, whoever signs in again: what was sent from it may have been done. */
function Allowed(props: Address & { readonly onAgain: () => void }) {
  const say = useWords();
  const { may } = useSession();
  const { scope } = ACTS[props.act];
  const [wasAllowed, setAllowed] = useState(false);
  if (may(scope) && !wasAllowed) setAllowed(true);
  return (
    <>
      {!may(scope) && (
        <Alert color="yellow" role="status">
          <Stack gap="xs" align="flex-start">
            <Text size="sm">
              {say("mayNot", { scope })} {wasAllowed && say("staysAll")}
            </Text>
            {wasAllowed && (
              <Button variant="default" size="xs" onClick={askForAnotherToken}>
                {say("signInAgain")}
              </Button>
            )}
          </Stack>
        </Alert>
      )}
      {wasAllowed && <Form {...props} />}
    </>
  );
}

function Form({ of, ...props }: Address & { readonly onAgain: () => void }) {
  const say = useWords();
  const { user, act } = props;
  const { needsOf } = ACTS[act];
  if (needsOf && of === "") return <Beginning user={user} act={act} />;
  const on = actOn(act, of);
  if (on === null) return <Alert role="alert">{say("noNumber", { of })}</Alert>;
  return <Opened {...props} on={on} />;
}

/** Says where an act begins that is about one thing: nobody knows its number by heart. */
function Beginning({ user, act }: { readonly user: string; readonly act: Act }) {
  const say = useWords();
  const isOfEntry = act === "refund";
  return (
    <Text>
      {say(isOfEntry ? "from-entry" : act === "release" ? "from-hold" : "from-policy")}{" "}
      <TextLink
        inherit
        underline="always"
        to={isOfEntry ? "/statement" : "/account"}
        search={{ user }}
      >
        {say(isOfEntry ? "toStatement" : "toAccount")}
      </TextLink>
    </Text>
  );
}

type On = {
  readonly user: string;
  readonly act: Act;
  readonly on: ActOn;
  readonly onAgain: () => void;
};

/**
 * The form, once what it is about has been read. From then on it stays, and so does what it was
 * opened on: neither another sign-in nor a change of the account takes away what was typed.
 */
function Opened({ user, act, on, onAgain }: On) {
  const say = useWords();
  const { value: subject, error, again } = useReadOnce((signal) => readSubject(user, on, signal));
  if (subject === undefined) {
    return error === null ? <Loading /> : <RefusalNote error={error} onRetry={again} />;
  }
  const over = overBy(act, on, subject);
  if (over === undefined) return <ActForm {...{ user, act, subject, onAgain }} />;
  return (
    <>
      <SubjectNote act={act} subject={subject} />
      <Text>{say(over)}</Text>
    </>
  );
}

/** Why nothing is left that the act could be done to; undefined: something is. */
function overBy(act: Act, on: ActOn, { about, hold, policy }: Subject) {
  if (act === "refund" && (about === undefined || leftToRefund(about) <= 0n)) return "over-refund";
  if (on?.kind === "hold" && hold === undefined) return "over-release";
  return on?.kind === "policy" && policy === undefined ? "over-policy" : undefined;
}
