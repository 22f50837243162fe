import { wordsOf } from "../app/words.ts";

export const useWords = wordsOf("sign-in", {
  en: {
    title: "Sign in",
    explanation: "This page keeps your token for itself: a reload forgets it.",
    token: "Token",
    showToken: "Show the token",
    person: "Your name",
    personExplanation: "It is written on what you do here. You may leave it empty.",
    signIn: "Sign in",
    refused: "The server does not take this token.",
    again: "Sign in again",
    againExplanation:
      "The server does not take your token any more, or the token is not enough. What you have typed is still here.",
    atIssuer: "Sign in at {{host}}",
    orToken: "or with a token",
    waiting: "Go on in the other window. If it is closed, press the button again.",
    blocked: "Your browser blocked the window. Allow windows of this page, and press again.",
    outdated: "The page cannot be loaded whole: the server may be newer. Reload the page.",
    issuerRefused: "{{host}} refused: {{what}}",
    issuerAway:
      "{{host}} does not answer this page. It may be away, or it may not let pages of this address call it (CORS).",
    issuerElsewhere:
      "{{host}} gives tokens at {{what}}, which this page may not call. Use a token instead.",
    issuerFailed: "Signing in at {{host}} failed: {{what}}",
  },
  zh: {
    title: "登录",
    explanation: "令牌只保存在本页面中，刷新后即被清除。",
    token: "令牌",
    showToken: "显示令牌",
    person: "您的姓名",
    personExplanation: "会记录在您的每项操作中，可以不填。",
    signIn: "登录",
    refused: "服务器不接受此令牌。",
    again: "重新登录",
    againExplanation: "服务器已不再接受您的令牌，或其权限不足。您填写的内容仍保留在页面上。",
    atIssuer: "通过 {{host}} 登录",
    orToken: "或使用令牌",
    waiting: "请在另一个窗口中继续。如果该窗口已关闭，请再次点击按钮。",
    blocked: "浏览器拦截了弹出窗口。请允许本页面打开窗口，然后重试。",
    outdated: "页面无法完整加载，服务器可能已升级。请刷新页面。",
    issuerRefused: "{{host}} 拒绝登录：{{what}}",
    issuerAway: "{{host}} 没有响应本页面。它可能暂时不可用，或不允许此地址的页面访问（CORS）。",
    issuerElsewhere: "{{host}} 在 {{what}} 签发令牌，本页面无权访问该地址。请改用令牌登录。",
    issuerFailed: "通过 {{host}} 登录失败：{{what}}",
  },
});
