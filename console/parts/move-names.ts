import { wordsOf } from "../app/words.ts";

/** The names of the moves, in the language of the page. */
export const useMoveNames = wordsOf("moves", {
  en: {
    recharged: "Recharged",
    refunded: "Refunded",
    consumed: "Consumed",
    expired: "Expired",
    revoked: "Revoked",
  },
  zh: {
    recharged: "充值",
    refunded: "退款",
    consumed: "消费",
    expired: "过期",
    revoked: "收回",
  },
});
