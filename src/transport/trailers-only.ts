import type * as http from "node:http";
import type * as http2 from "node:http2";

/**
 * Trailers-Only: sends a gRPC error that comes before any message as headers alone. Clients take
 * headers that arrive first for a sign that the server works on the call, and do not retry it.
 * Headers that the handler wrote come first even so: clients take all of headers alone for trailers.
 *
 * Connect writes a head, no body, and trailers: so the head is held back until the next write.
 */
export function sendTrailersOnly(response: http2.Http2ServerResponse): void {
  const { writeHead, write, end, addTrailers } = response;
  let head: Head | undefined;
  let trailers: Headers | undefined;

  // Node's own methods come back: those that need a head call writeHead themselves.
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
