import { Alert, Button, Divider, Stack } from "@mantine/core";
import { usePageSettings } from "../app/settings.ts";
import { IssuerButton } from "./issuer-button.tsx";
import { TokenForm } from "./token-form.tsx";
import { useWords } from "./words.ts";

/** At the issuer, if there is one, or with a token. */
export function WaysIn({
  isRefused,
  onSignedIn,
}: {
  readonly isRefused: boolean;
  readonly onSignedIn: () => void;
}) {
  const say = useWords();
  const { settings, again } = usePageSettings();
  const { oidc } = settings;
  return (
    <Stack>
      {again && (
        <Alert role="alert" color="yellow" title={say("waysUnknown")}>
          <Button variant="default" size="xs" onClick={again}>
            {say("askAgain")}
          </Button>
        </Alert>
      )}
      {oidc && (
        <>
          <IssuerButton openId={oidc} onSignedIn={onSignedIn} />
          <Divider label={say("orToken")} />
        </>
      )}
      <TokenForm isRefused={isRefused} isSecond={oidc !== undefined} onSignedIn={onSignedIn} />
    </Stack>
  );
}
