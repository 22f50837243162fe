import { HAND_OVER, type HandedOver, TAKEN } from "./hand-over.ts";

// The whole script of the page that the issuer sends the window back to.
const channel = new BroadcastChannel(HAND_OVER);
channel.addEventListener("message", ({ data }) => {
  if (data === TAKEN) close();
});
const handedOver: HandedOver = { query: location.search };
channel.postMessage(handedOver);
// The code is good once, and for this page's opener alone. It need not stay in the history even so.
history.replaceState(undefined, "", location.pathname);
