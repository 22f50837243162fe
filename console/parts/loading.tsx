import { Loader } from "@mantine/core";
import { wordsOf } from "../app/words.ts";

const useWords = wordsOf("loading", { en: { loading: "Loading" }, zh: { loading: "正在加载" } });

export function Loading() {
  const say = useWords();
  return <Loader role="status" aria-label={say("loading")} m="xl" />;
}
