import { Button, PasswordInput, Stack } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { signInWith } from "../app/credentials.ts";
import { useWords } from "./words.ts";

/** Signs in with a token that a person has. */
export function TokenForm({ isRefused }: { readonly isRefused: boolean }) {
  const say = useWords();
  const queries = useQueryClient();
  const [token, setToken] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signInWith(token.trim());
    void queries.resetQueries();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <PasswordInput
          label={say("token")}
          autoComplete="off"
          required
          value={token}
          error={isRefused && say("refused")}
          onChange={(event) => setToken(event.currentTarget.value)}
        />
        <Button type="submit">{say("signIn")}</Button>
      </Stack>
    </form>
  );
}
