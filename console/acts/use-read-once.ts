import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

let readers = 0;

/**
 * Reads something as it is now, and keeps it: whatever the page asks again or forgets, it stays.
 * Until it is there, it is read again whenever all else is, such as after another sign-in.
 */
export function useReadOnce<T>(read: (signal: AbortSignal) => Promise<T>) {
  // Of its own, so that nothing is taken from what was read before.
  const [reader] = useState(() => ++readers);
  const [kept, setKept] = useState<{ readonly value: T }>();
  const { data, error, refetch } = useQuery({
    queryKey: ["read once", reader],
    queryFn: async ({ signal }) => ({ value: await read(signal) }),
    enabled: kept === undefined,
  });
  if (kept === undefined && data !== undefined) setKept(data);
  return { value: kept?.value, error, again: () => void refetch() };
}
