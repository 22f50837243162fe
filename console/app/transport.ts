import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { tokenForCall, tokenRefused } from "./credentials.ts";

/** Calls the server that the page came from, as whoever has signed in. */
export const transport: Transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [authenticate()],
});

function authenticate(): Interceptor {
  return (next) => async (request) => {
    const token = await tokenForCall();
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    try {
      return await next(request);
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) tokenRefused(token);
      throw error;
    }
  };
}
