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

/**
 * What the server tells the page. If that cannot be read, whoever needs it says so from the first
 * failure on: a page without its label looks like that of another environment.
 */
export function usePageSettings(): {
  /** Empty until they are there. */
  readonly settings: PageSettings;
  /** Asks again for what could not be read. */
  readonly again: (() => void) | undefined;
} {
  const { data, failureCount, refetch } = useQuery({
    queryKey: ["config.json"],
    queryFn: readSettings,
    staleTime: Infinity,
    retry: RETRIES,
  });
  const isUnread = data === undefined && failureCount > 0;
  return { settings: data ?? {}, again: isUnread ? () => void refetch() : undefined };
}

const RETRIES = 3;

async function readSettings(): Promise<PageSettings> {
  const answer = await fetch("/console/config.json");
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  return (await answer.json()) as PageSettings;
}
