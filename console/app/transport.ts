import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { tokenForCall, tokenRefused, tokenTaken } from "./credentials.ts";
import { noteSeen } from "./seen.ts";

/** Calls the server that the page came from, as whoever has signed in. */
export const transport: Transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [authenticate(), noteSeen],
});

function authenticate(): Interceptor {
  return (next) => async (request) => {
    const token = await tokenForCall();
    if (token !== undefined) request.header.set("authorization", `Bearer ${token}`);
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: watched(response.message, token) };
      tokenTaken(token);
      return response;
    } catch (error) {
      throw heard(error, token);
    }
  };
}

/** Only what a stream says, and how it ends, tells whether the server takes its token. */
async function* watched<T>(messages: AsyncIterable<T>, token: string | undefined) {
  try {
    for await (const message of messages) {
      tokenTaken(token);
      yield message;
    }
  } catch (error) {
    throw heard(error, token);
  }
}

function heard(error: unknown, token: string | undefined): unknown {
  if (ConnectError.from(error).code === Code.Unauthenticated) tokenRefused(token);
  return error;
}
