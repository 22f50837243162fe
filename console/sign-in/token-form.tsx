import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { credentials, signInWith } from "../app/credentials.ts";
import { asActor, PERSON_MAX_CHARS } from "./person.ts";
import { tokenIn } from "./token-in.ts";
import { useWords } from "./words.ts";

/**
 * Signs in with a token that a person has. Many may have the same, so they may say who they are.
 *
 * @param isSecond there is a better way in
 */
export function TokenForm({
  isRefused,
  isSecond,
  onSignedIn,
}: {
  readonly isRefused: boolean;
  readonly isSecond: boolean;
  readonly onSignedIn: () => void;
}) {
  const say = useWords();
  const [token, setToken] = useState("");
  const [isNone, setIsNone] = useState(false);
  const [person, setPerson] = useState(credentials().person ?? "");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const given = tokenIn(token);
    setIsNone(given === undefined);
    if (given === undefined) return;
    signInWith(given, { person: asActor(person) });
    onSignedIn();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <PasswordInput
          label={say("token")}
          autoComplete="off"
          required
          value={token}
          error={isNone ? say("noToken") : isRefused && say("refused")}
          onChange={(event) => setToken(event.currentTarget.value)}
          visibilityToggleButtonProps={{ "aria-label": say("showToken") }}
        />
        <TextInput
          label={say("person")}
          description={say("personExplanation")}
          autoComplete="off"
          maxLength={PERSON_MAX_CHARS}
          value={person}
          onChange={(event) => setPerson(event.currentTarget.value)}
        />
        <Button type="submit" variant={isSecond ? "default" : "filled"}>
          {say("signIn")}
        </Button>
      </Stack>
    </form>
  );
}
