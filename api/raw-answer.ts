import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ApiError, newRequestId, PROBLEMS, presentProblem } from './errors.ts';

/** Closed at once, a connection with unread bytes is reset, and the answer is lost with it. */
const LINGER_MS = 1_000;

/**
 * Answers a problem on the bare socket and closes it: to what Node itself refuses, and before a
 * WebSocket's handshake, there is no response object.
 */
export function answerRaw(socket: Duplex, problem: ApiError, publicUrl: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status } = PROBLEMS[problem.code];
  const requestId = newRequestId();
  const body = JSON.stringify(presentProblem(problem, requestId, publicUrl));
  const { retryAfterS } = problem;
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
    ...(retryAfterS === null ? [] : [`Retry-After: ${retryAfterS}`]),
    'Connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.resume();
  const linger = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(linger));
}
