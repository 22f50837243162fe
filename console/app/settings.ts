import { useQuery } from "@tanstack/react-query";

/** What the server tells the page before somebody has signed in. */
export type PageSettings = {
  /** CONSOLE_LABEL: a word and a colour for the environment. */
  readonly label?: { readonly word: string; readonly colour: string };
  /** Where to sign in by OpenID Connect. Absent: by token alone. */
  readonly oidc?: OpenId;
};

/** The issuer of tokens, and how the console asks it for one. */
export type OpenId = {
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: string;
  /** By spaces. */
  readonly scopes: string;
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
