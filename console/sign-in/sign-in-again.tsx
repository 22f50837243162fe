import { Modal, Stack, Text } from "@mantine/core";
import { useCredentials } from "../app/credentials.ts";
import { askAgainAs } from "../app/queries.ts";
import { useWords } from "./words.ts";
import { WaysIn } from "./ways-in.tsx";

/** Asks for another token over a page that stays as it is. */
export function SignInAgain() {
  const say = useWords();
  const { isWrong = false } = useCredentials();
  return (
    <Modal.Root opened onClose={() => {}} lockScroll={false}>
      <Modal.Overlay />
      <Modal.Content>
        {/* No Modal.Header: it would be a second banner of the page. */}
        <Modal.Body>
          <Stack>
            <Modal.Title fz="lg" fw={700}>
              {say("again")}
            </Modal.Title>
            <Text>{say("againExplanation")}</Text>
            <WaysIn isRefused={isWrong} onSignedIn={() => void askAgainAs()} />
          </Stack>
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
