import { Modal, Text } from "@mantine/core";
import { TokenForm } from "./token-form.tsx";
import { useWords } from "./words.ts";

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
      <TokenForm isRefused={false} />
    </Modal>
  );
}
