import { Modal, Text } from "@mantine/core";
import { askAgain } from "../app/queries.ts";
import { useWords } from "./words.ts";
import { WaysIn } from "./ways-in.tsx";

/** Asks for another token over a page that stays as it is. */
export function SignInAgain() {
  const say = useWords();
  return (
    <Modal
      opened
      onClose={() => {}}
      withCloseButton={false}
      title={say("again")}
      lockScroll={false}
    >
      <Text mb="md">{say("againExplanation")}</Text>
      <WaysIn isRefused={false} onSignedIn={askAgain} />
    </Modal>
  );
}
