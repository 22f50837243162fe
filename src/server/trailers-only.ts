import type * as http from "node:http";
import type * as http2 from "node:http2";

/**
 * Has an error of gRPC that comes before any message sent as headers alone (Trailers-Only). Clients
 * take it that a server whose headers have come works at the call, and retry it no more.
 *
 * Connect writes a head, nothing, and trailers: the head waits for what comes next.
 */
export function sendTrailersOnly(response: http2.Http2ServerResponse): void {
  const write = response.write.bind(response) as Write;
  const end = response.end.bind(response) as Write;
  const addTrailers = response.addTrailers.bind(response);
  const writeHead = response.writeHead.bind(response);
  let head: Head | undefined;
  let trailers: Headers = {};

  const sendHead = () => {
    if (head !== undefined) writeHead(head.status, head.headers);
    head = undefined;
  };
  response.writeHead = ((status: number, headers: Headers = {}) => {
    head = { status, headers };
    return response;
  }) as typeof response.writeHead;
  response.addTrailers = (headers: Headers) => void (trailers = headers);
  response.write = (...args: unknown[]) => {
    sendHead();
    return write(...args);
  };
  response.end = (...args: unknown[]) => {
    const { stream } = response;
    if (head !== undefined && !stream.destroyed) {
      const { status, headers } = head;
      stream.respond({ ":status": status, ...headers, ...trailers }, { endStream: true });
      head = undefined;
    } else {
      addTrailers(trailers);
    }
    return end(...args);
  };
}

type Headers = http.OutgoingHttpHeaders;
type Head = { readonly status: number; readonly headers: Headers };
type Write = (...args: unknown[]) => never;
