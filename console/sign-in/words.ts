import { wordsOf } from "../app/words.ts";

export const useWords = wordsOf("sign-in", {
  en: {
    title: "Sign in",
    explanation: "This page keeps your token for itself: a reload forgets it.",
    token: "Token",
    signIn: "Sign in",
    refused: "The server does not take this token.",
    again: "Sign in again",
    againExplanation:
      "The server does not take your token any more. What you have typed is still here.",
  },
  zh: {
    title: "登录",
    explanation: "令牌只保存在本页面中,刷新后即被清除。",
    token: "令牌",
    signIn: "登录",
    refused: "服务器不接受此令牌。",
    again: "重新登录",
    againExplanation: "服务器已不再接受您的令牌。您填写的内容仍保留在页面上。",
  },
});
