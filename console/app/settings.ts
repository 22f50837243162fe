import { useQuery } from "@tanstack/react-query";

/** What the server tells the page before somebody has signed in. */
export type PageSettings = {
  /** CONSOLE_LABEL: a word and a colour for the environment. */
  readonly label?: { readonly word: string; readonly colour: string };
  /** Where to sign in by OpenID Connect. Absent: by token alone. */
  readonly oidc?: {
    readonly issuer: string;
    readonly clientId: string;
    readonly audience: string;
  };
};

/** Empty until they are there. */
export function usePageSettings(): PageSettings {
  const { data } = useQuery({
    queryKey: ["config.json"],
    queryFn: async () => (await fetch("/console/config.json")).json() as Promise<PageSettings>,
    staleTime: Infinity,
  });
  return data ?? {};
}
