import * as net from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { useTarget } from "./target.ts";

// Raw HTTP/1.1 requests, on the same port.

const target = useTarget();

const JSON_BODY = `{"userId":"mallory"}`;

/** A JSON request; `lines` are further headers. */
function post(lines: string, body = JSON_BODY, first = `POST ${PATH} HTTP/1.1`): string {
  const head = `${first}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n`;
  return `${head}${lines}\r\n${body}`;
}

const PATH = "/points.v1.PointsService/GetOrCreate";
const sized = `Content-Length: ${JSON_BODY.length}\r\n`;
const HALF = post("Content-Length: 1000\r\n");
const chunked = "Transfer-Encoding: chunked\r\n";

test.each<[string, string, string]>([
  ["a word", "400", "hello\r\n\r\n"],
  ["HTTP/0.9, which has only GET", "405", `GET ${PATH}\r\n\r\n`],
  ["HTTP/3.0", "400", post(sized, JSON_BODY, `POST ${PATH} HTTP/3.0`)],
  ["an unknown method", "400", post(sized, JSON_BODY, `STEAL ${PATH} HTTP/1.1`)],
  ["a path with a space", "400", post(sized, JSON_BODY, `POST ${PATH} x HTTP/1.1`)],
  ["GET of an RPC that changes something", "405", post("", "", `GET ${PATH} HTTP/1.1`)],
  ["an unknown RPC", "404", post(sized, JSON_BODY, "POST /points.v1.PointsService/X HTTP/1.1")],
  ["no host", "400", `POST ${PATH} HTTP/1.1\r\nConnection: close\r\n\r\n`],
  ["two hosts", "400", post("Host: y\r\n")],
  ["a length and chunks", "400", post(`${sized}${chunked}`, "0\r\n\r\n")],
  ["two lengths", "400", post(`${sized}Content-Length: 5\r\n`)],
  ["a negative length", "400", post("Content-Length: -1\r\n")],
  ["a length of a word", "400", post("Content-Length: ten\r\n")],
  ["a length past 2^64", "400", post("Content-Length: 99999999999999999999\r\n")],
  ["chunks that are not the last encoding", "400", post("Transfer-Encoding: chunked, gzip\r\n")],
  ["a chunk of a word", "400", post(chunked, "zz\r\n")],
  ["a chunk past 2^64", "400", post(chunked, "fffffffffffffffff\r\n")],
  ["a chunk that is longer than it says", "400", post(chunked, `1\r\n${JSON_BODY}\r\n0\r\n\r\n`)],
  ["a chunk with 20 kB of extensions", "413", post(chunked, `1;${"x".repeat(20_000)}\r\n`)],
  ["a NUL in a header", "400", post("X: a\0b\r\n")],
  ["a bare CR in a header", "400", post("X: a\rb\r\n")],
  ["a space before a colon", "400", post("Content-Length : 5\r\n")],
  ["a header over two lines", "400", post("X: a\r\n b\r\n")],
  ["a header without a name", "400", post(": a\r\n")],
  ["3,000 headers", "431", post("X: a\r\n".repeat(3_000))],
  ["an upgrade to h2c", "200", post(`Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n${sized}`)],
  ["an unknown expectation", "417", post(`Expect: miracles\r\n${sized}`)],
  ["no content type", "415", post(sized).replace("Content-Type: application/json\r\n", "")],
  ["a charset that is not UTF-8", "415", post(sized).replace("json", "json; charset=utf-16")],
  ["an unknown encoding", "501", post(`Content-Encoding: squash\r\n${sized}`)],
  ["gzip that is none", "400", post(`Content-Encoding: gzip\r\n${sized}`)],
  ["half a body, and no more", "400", HALF],
])("%s: %s", async (_, answer, text) => {
  const before = await target().rows();
  const socket = net.connect({ port: target().port, host: "127.0.0.1" });
  let seen = "";
  socket.on("data", (chunk) => (seen += chunk.toString("latin1"))).on("error", () => {});
  // Node sends no answer after a half-close; only a truncated request gets one.
  if (text === HALF) socket.end(text, "latin1");
  else socket.write(text, "latin1");
  await once(socket, "close");
  expect(/^HTTP\/1\.1 (\d+) /.exec(seen)?.[1] ?? "closed").toBe(answer);
  expect(answer === "200" ? before : await target().rows()).toEqual(before);
});
