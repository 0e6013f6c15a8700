import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What a client library would never send, byte by byte. */
export type RawAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
};

export async function openRaw(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  // A reset is one of the answers.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Everything that comes until the server closes. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(chunks).toString();
}

/** Sends this, and reads the first answer. */
export async function exchange(url: string, text: string): Promise<RawAnswer> {
  const socket = await openRaw(url);
  const read = readAll(socket);
  socket.write(text);
  return parseAnswer(await read);
}

export function parseAnswer(text: string): RawAnswer {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const pairs = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  const isJson = /json/.test(head);
  return {
    status: Number(first.split(' ')[1] ?? 0),
    headers: new Headers(pairs),
    text: body,
    body: isJson ? JSON.parse(body) : {},
  };
}

/** A WebSocket's handshake. */
export function upgradeTo(path: string, ...headers: readonly string[]): string {
  const fixed = [
    'Host: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  return `${[`GET ${path} HTTP/1.1`, ...fixed, ...headers].join('\r\n')}\r\n\r\n`;
}
