import { wordsOf } from "./words.ts";

export const useWords = wordsOf("layout", {
  en: {
    screens: "Screens",
    find: "Find",
    overview: "Overview",
    nobody: "no sign-in",
    open: "This server asks nobody who they are: everybody on this machine may do all.",
    may: "May: {{scopes}}",
    prefix: "Only users whose ids begin with {{prefix}}",
    ledger: "Ledger {{id}}",
    epoch: "epoch {{epoch}}",
    software: "Points {{version}}",
    signOut: "Sign out",
    scheme: "Light or dark",
  },
  zh: {
    screens: "页面",
    find: "查找",
    overview: "总览",
    nobody: "无需登录",
    open: "本服务器不验证身份:本机上的任何人都可执行所有操作。",
    may: "权限:{{scopes}}",
    prefix: "仅限以 {{prefix}} 开头的用户",
    ledger: "账本 {{id}}",
    epoch: "纪元 {{epoch}}",
    software: "Points {{version}}",
    signOut: "退出登录",
    scheme: "浅色或深色",
  },
});
