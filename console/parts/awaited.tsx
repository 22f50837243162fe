import type { ReactNode } from "react";
import { Loading } from "./loading.tsx";
import { RefusalNote } from "./refusal-note.tsx";

/** What a query was asked for: until it is there, that it is on its way, or why it is not. */
export function Awaited<Data>({
  of: { data, error, refetch },
  children,
}: {
  readonly of: {
    readonly data: Data | undefined;
    readonly error: Error | null;
    readonly refetch: () => unknown;
  };
  readonly children: (data: Data) => ReactNode;
}) {
  if (data !== undefined) return children(data);
  if (error === null) return <Loading />;
  return <RefusalNote error={error} onRetry={() => void refetch()} />;
}
