import type * as http from "node:http";
import type * as http2 from "node:http2";

/**
 * Has an error of gRPC that comes before any message sent as headers alone (Trailers-Only). Clients
 * take it that a server whose headers have come works at the call, and retry it no more. Where a
 * handler wrote headers of its own, they come first as ever: clients take all that is in headers
 * alone for trailers.
 *
 * Connect writes a head, nothing, and trailers: the head waits for what comes next.
 */
export function sendTrailersOnly(response: http2.Http2ServerResponse): void {
  const { writeHead, write, end, addTrailers } = response;
  let head: Head | undefined;
  let trailers: Headers | undefined;

  // From then on it is as Node made it: what it has itself asks for a head calls writeHead.
  const release = () => {
    Object.assign(response, { writeHead, write, end, addTrailers });
    if (head !== undefined) response.writeHead(head.status, head.headers);
    if (trailers !== undefined) response.addTrailers(trailers);
  };
  const held = {
    writeHead(status: number, headers: Headers = {}) {
      head = { status, headers };
      return response;
    },
    addTrailers(headers: Headers) {
      trailers = headers;
    },
    write(...args: Parameters<typeof write>) {
      release();
      return response.write(...args);
    },
    end(...args: Parameters<typeof end>) {
      const { stream } = response;
      if (head !== undefined && !stream.destroyed && !hasOwn(head.headers)) {
        const { status, headers } = head;
        stream.respond({ ":status": status, ...headers, ...trailers }, { endStream: true });
        head = trailers = undefined;
      }
      release();
      return response.end(...args);
    },
  };
  Object.assign(response, held);
}

/** Whether there is more than gRPC itself has. */
function hasOwn(headers: Headers): boolean {
  return Object.keys(headers).some((name) => !/^(content-type|grpc-.*)$/i.test(name));
}

type Headers = http.OutgoingHttpHeaders;
type Head = { readonly status: number; readonly headers: Headers };
