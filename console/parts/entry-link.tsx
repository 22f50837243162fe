import { TextLink } from "./links.ts";

/** An entry by its number, such as #42: leads to what it was and why. */
export function EntryLink({
  user,
  sequence,
}: {
  readonly user: string;
  readonly sequence: bigint;
}) {
  return (
    <TextLink inherit to="/entry" search={{ user, sequence: String(sequence) }}>
      #{String(sequence)}
    </TextLink>
  );
}
