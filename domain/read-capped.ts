/** The other side sends more than we are ready to hold. What it would have said stays unknown. */
export class TooLongError extends Error {
  constructor(bytesMax: number) {
    super(`it is longer than ${bytesMax} bytes`);
    this.name = 'TooLongError';
  }
}

/**
 * Reads what another sends, and never holds more than `bytesMax` of it.
 * @throws TooLongError after which the caller closes the connection; leaving the loop closes the
 * body of an HTTP answer.
 */
export async function readCapped(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new TooLongError(bytesMax);
    chunks.push(chunk);
  }
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
