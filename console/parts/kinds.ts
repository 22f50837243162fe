import { EntryKind, EntryKindSchema } from "../../gen/points/v1/account_pb.ts";
import { wordsOf } from "../app/words.ts";

const useWords = wordsOf<keyof typeof EntryKind>("kinds", {
  en: {
    UNSPECIFIED: "Unknown",
    RECHARGE: "Recharge",
    CONSUME: "Consume",
    EXPIRE: "Expire",
    FREEZE: "Freeze",
    SETTLE: "Settle",
    RELEASE: "Release",
    REFUND: "Refund",
    REVOKE: "Revoke",
    EXTEND: "Extend",
    SET_POLICY: "Set policy",
    ERASE: "Erase",
  },
  zh: {
    UNSPECIFIED: "未知",
    RECHARGE: "充值",
    CONSUME: "消费",
    EXPIRE: "过期",
    FREEZE: "预扣",
    SETTLE: "结算",
    RELEASE: "退回预扣",
    REFUND: "退款",
    REVOKE: "收回",
    EXTEND: "追加预扣",
    SET_POLICY: "设置规则",
    ERASE: "抹除",
  },
});

/** The names of the kinds of entries, in the language of the page. */
export function useKindNames(): (kind: EntryKind) => string {
  const say = useWords();
  return (kind) => {
    const name = EntryKindSchema.value[kind]?.localName ?? "";
    return say(isNamed(name) ? name : "UNSPECIFIED");
  };
}

function isNamed(name: string): name is keyof typeof EntryKind {
  return Object.hasOwn(EntryKind, name);
}
