import { Code, ConnectError } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { createContext, lazy, type ReactNode, Suspense, useContext, useEffect } from "react";
import { type GetLedgerResponse, LedgerService } from "../../gen/points/v1/ledger_pb.ts";
import { Loading } from "../parts/loading.tsx";
import { RefusalNote } from "../parts/refusal-note.tsx";
import { SignIn } from "../sign-in/sign-in.tsx";
import { useCredentials } from "./credentials.ts";
import { orOutdated } from "./outdated.tsx";
import type { Scope } from "./scopes.ts";

/** Which ledger this is, who has signed in, and what they may do. */
export type Session = {
  readonly ledger: GetLedgerResponse;
  /** The caller's name. Empty: the server asks nobody who they are. */
  readonly name: string;
  /** Who sits here, if that is known: what they do is written down as theirs, as its `actor`. */
  readonly person: string | undefined;
  /** Whether they have a scope, such as "points.refund". */
  readonly may: (scope: Scope) => boolean;
};

// Not in the first file, but there before it is needed: an upgraded server may lack it then.
const loadAgain = () => orOutdated(import("../sign-in/sign-in-again.tsx"));
const SignInAgain = lazy(async () => ({ default: (await loadAgain()).SignInAgain }));

const SessionContext = createContext<Session | undefined>(undefined);

/** @throws outside of `SignedIn` */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error("nobody has signed in here");
  return session;
}

/**
 * Shows its children to whoever the server knows, and the sign-in to others. Where a token is refused
 * later, the children stay, with all that was typed, and a dialog asks for another token.
 */
export function SignedIn({ children }: { readonly children: ReactNode }) {
  const { token, person, isRefused } = useCredentials();
  const {
    data: ledger,
    error,
    refetch,
  } = useQuery(LedgerService.method.getLedger, undefined, {
    // A page without a token asks whether the server wants one.
    staleTime: Infinity,
  });
  const isIn = ledger !== undefined;
  useEffect(() => {
    if (isIn) loadAgain().catch(() => {});
  }, [isIn]);
  if (ledger === undefined) {
    if (error === null) return <Loading />;
    if (ConnectError.from(error).code === Code.Unauthenticated) {
      return <SignIn isRefused={token !== undefined} />;
    }
    return <RefusalNote error={error} onRetry={() => void refetch()} />;
  }
  const { name = "", scopes = [] } = ledger.caller ?? {};
  const session = { ledger, name, person, may: (scope: Scope) => scopes.includes(scope) };
  return (
    <SessionContext value={session}>
      {children}
      {isRefused && (
        <Suspense>
          <SignInAgain />
        </Suspense>
      )}
    </SessionContext>
  );
}
