import { wordsOf } from "../app/words.ts";

export const useWords = wordsOf("find", {
  en: {
    title: "Find",
    box: "What do you look for?",
    takes:
      "A user id, an entry (ada#42), a request id, metadata (order=8157), or an actor (actor:Li). Upper and lower case differ. Members are not searched.",
    takesNoSearch:
      "A user id, or an entry (ada#42). Upper and lower case differ. Members are not searched. To search by request id, metadata or actor takes the scope points.audit.",
    find: "Find",
    recent: "Found lately in this tab",
    forget: "Forget",
  },
  zh: {
    title: "查找",
    box: "要查找什么？",
    takes:
      "可输入用户 ID、记录（ada#42）、请求 ID、元数据（order=8157）或操作人（actor:Li）。区分大小写。不查找成员。",
    takesNoSearch:
      "可输入用户 ID 或记录（ada#42）。区分大小写。不查找成员。按请求 ID、元数据或操作人查找需要权限 points.audit。",
    find: "查找",
    recent: "本标签页最近找到的",
    forget: "清除",
  },
});
