import { useSession } from "../app/session.tsx";

// Until the page is closed, and nowhere else.
let typed = "";

/** Who acts, if the page knows: whoever signed in as a person, or the name typed last. */
export function useActor(): string {
  const { name } = useSession();
  return typed || name;
}

export function rememberActor(name: string): void {
  typed = name;
}
