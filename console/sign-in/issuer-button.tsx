import { Alert, Button, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { signInWith } from "../app/credentials.ts";
import type { OpenId } from "../app/settings.ts";
import type { OpenIdFault } from "./open-id.ts";
import { useWords } from "./words.ts";

/** Signs in at the issuer, in a window of its own: what is on this page stays. */
export function IssuerButton({
  openId,
  onSignedIn,
}: {
  readonly openId: OpenId;
  readonly onSignedIn: () => void;
}) {
  const say = useWords();
  const [state, setState] = useState<State>("idle");
  const attempt = useRef<AbortController>(undefined);
  useEffect(() => () => attempt.current?.abort(), []);
  const { host } = new URL(openId.issuer);

  const signIn = async () => {
    // A second press starts anew: nobody can tell whether the first window is still there.
    attempt.current?.abort();
    const { signal } = (attempt.current = new AbortController());
    // At once: a browser blocks windows that open later than a press.
    const popup = open("about:blank", "_blank", "popup,width=480,height=640");
    if (popup === null) return setState("blocked");
    // The issuer's page has no hold of this one.
    popup.opener = null;
    setState("waiting");
    // Few need it: it is not in the first file.
    const loaded = await import("./open-id.ts").catch(() => undefined);
    if (loaded === undefined) {
      popup.close();
      if (!signal.aborted) setState("outdated");
      return;
    }
    try {
      const { token, ...whose } = await loaded.signInAtIssuer(openId, popup, signal);
      // Given up meanwhile: somebody else may have signed in, or nobody wants to.
      if (signal.aborted) return;
      signInWith(token, whose);
      onSignedIn();
    } catch (error) {
      popup.close();
      if (!signal.aborted) setState(loaded.faultOf(error));
    }
  };

  return (
    <Stack>
      <Button onClick={() => void signIn()}>{say("atIssuer", { host })}</Button>
      <Text role="status" size="sm" c="dimmed">
        {state === "waiting" && say("waiting")}
      </Text>
      {state !== "idle" && state !== "waiting" && (
        <Alert role="alert" color="red">
          {typeof state === "string" ? say(state) : say(state.key, { host, ...state.values })}
        </Alert>
      )}
    </Stack>
  );
}

type State = "idle" | "waiting" | "blocked" | "outdated" | OpenIdFault;
