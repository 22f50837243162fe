import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Entry } from "../../gen/points/v1/account_pb.ts";
import { readLotStates } from "./lot-states.ts";
import { useWords } from "./words.ts";

/** Warns that lots which a refund would give points back to have expired: these points would, too. */
export function ExpiredLotsNote({ entry }: { readonly entry: Entry }) {
  const say = useWords();
  const { userId, sequence, allocations } = entry;
  const { data } = useQuery({
    queryKey: ["connect-query", "lot states", userId, String(sequence)],
    queryFn: () => {
      const lots = allocations.map(({ lot }) => lot);
      return readLotStates(userId, lots);
    },
  });
  const expired = [...(data ?? [])].flatMap(([lot, { expireTime }]) =>
    expireTime !== undefined && timestampMs(expireTime) <= Date.now() ? [`${lot}`] : [],
  );
  if (expired.length === 0) return null;
  return (
    <Text size="sm" role="status">
      {say("lotsExpired", { count: expired.length, lots: expired.join(say("comma")) })}
    </Text>
  );
}
