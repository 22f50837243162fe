import { Button, Popover, Stack, Text } from "@mantine/core";
import { Facts, type FactRows } from "../parts/facts.tsx";
import { signInWith, useCredentials } from "./credentials.ts";
import { useFormats } from "./formats.ts";
import styles from "./layout.module.css";
import { isolated } from "./isolated.ts";
import { useWords } from "./layout-words.ts";
import { mayLeave } from "./leaving.ts";
import { forgetAnswers } from "./queries.ts";
import { SCOPES } from "./scopes.ts";
import { useSession } from "./session.tsx";

const SHORT_ID_CHARS = 8;

/** Who has signed in, what they may do, and in which ledger; more at a press. */
export function WhoAmI() {
  const say = useWords();
  const { ledger, name, person } = useSession();
  const id = ledger.ledgerId.slice(0, SHORT_ID_CHARS);
  const where = say("where", { id, epoch: String(ledger.epoch) });
  return (
    <Popover withArrow trapFocus returnFocus position="bottom-end">
      <Popover.Target>
        <Button
          variant="default"
          h="auto"
          py={4}
          px="sm"
          classNames={{ root: styles["who"]!, label: styles["who-label"]! }}
        >
          <Stack gap={0} miw={0}>
            <span>
              {[name || say("nobody"), isolated(person ?? "")].filter(Boolean).join(" · ")}
            </span>
            <Text span size="xs" c="dimmed" lh="inherit">
              {useRights()} · {where}
            </Text>
          </Stack>
        </Button>
      </Popover.Target>
      <Popover.Dropdown maw="min(26rem, calc(100vw - 1rem))">
        <Details />
      </Popover.Dropdown>
    </Popover>
  );
}

/** In a few words. */
function useRights(): string {
  const say = useWords();
  const { may } = useSession();
  const allowed = SCOPES.filter(may);
  if (allowed.length === SCOPES.length) return say("mayAll");
  if (allowed.length === 0) return say("mayNothing");
  return say("may", { what: allowed.map((scope) => say(scope)).join(say("comma")) });
}

function Details() {
  const say = useWords();
  const { points } = useFormats();
  const { ledger, name, person, may } = useSession();
  const { token } = useCredentials();
  const { userIdPrefix: prefix = "", maxPoints = 0n } = ledger.caller ?? {};
  const signOut = () => {
    if (!mayLeave()) return;
    signInWith(undefined);
    forgetAnswers();
  };
  const rights = SCOPES.filter(may).map((scope) => <div key={scope}>{say(`${scope}.long`)}</div>);
  const rows: FactRows = [
    [say("caller"), name || say("nobody")],
    [say("person"), person],
    [say("rights"), rights.length === 0 ? say("mayNothing") : rights],
    [say("users"), prefix && say("prefix", { prefix })],
    [say("most"), maxPoints > 0n && say("atOnce", { points: points(maxPoints) })],
    [say("ledger"), ledger.ledgerId],
    [say("epoch"), String(ledger.epoch)],
    [say("software"), ledger.softwareVersion],
  ];
  return (
    <Stack gap="sm">
      {!name && <Text size="sm">{say("open")}</Text>}
      <Facts rows={rows} />
      {token !== undefined && (
        <Button variant="default" size="xs" onClick={signOut}>
          {say("signOut")}
        </Button>
      )}
    </Stack>
  );
}
