import { useQuery } from "@connectrpc/connect-query";
import { EntryKind } from "../../gen/points/v1/account_pb.ts";
import { PointsService } from "../../gen/points/v1/points_pb.ts";
import { useFormats } from "../app/formats.ts";
import { shortMetadata } from "../parts/short-metadata.ts";
import styles from "./lots.module.css";
import { useLotWords } from "./words.ts";

/** Where a lot comes from, by the entry that made it: the day, and the order by which people know it. */
export function LotOrigin({ user, lot }: { readonly user: string; readonly lot: bigint }) {
  const say = useLotWords();
  const { day } = useFormats();
  const { data } = useQuery(
    PointsService.method.getEntry,
    { userId: user, by: { case: "sequence", value: lot } },
    // Only an erasure changes an entry, and then all of the account is read anew, under another name.
    { staleTime: Infinity, refetchOnWindowFocus: false },
  );
  if (data?.entry?.createTime === undefined) return null;
  const { kind, cause, createTime, requestId, metadata } = data.entry;
  const time = day(createTime);
  const key = kind === EntryKind.REFUND ? "made-refund" : cause === "" ? "made" : "made-cause";
  const named = requestId === "" ? shortMetadata(metadata) : requestId;
  return (
    <span className={styles["origin"]}>
      {say(key, { time, cause })}
      {named !== "" && ` · ${named}`}
    </span>
  );
}
