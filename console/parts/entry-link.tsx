import { TextLink } from "./links.ts";

/** An entry by its number, such as #42: leads to what it was and why. */
export function EntryLink({
  user,
  sequence,
  isInText = false,
}: {
  readonly user: string;
  readonly sequence: bigint;
  /** It stands among words, from which it must differ by more than colour. */
  readonly isInText?: boolean;
}) {
  return (
    <TextLink
      inherit
      underline={isInText ? "always" : "hover"}
      to="/entry"
      search={{ user, sequence: String(sequence) }}
    >
      #{String(sequence)}
    </TextLink>
  );
}
