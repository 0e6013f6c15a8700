import { lookup as resolve } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, request } from 'undici';
import { isWebhookPort } from '../domain/outgoing-event.ts';

const RESPONSE_BYTES_MAX = 2_048;

/** How a POST to an address of a merchant's ended. */
export type Posted = {
  readonly statusCode: number | null;
  /** Why there is no status code; null when there is one. */
  readonly error: string | null;
  /** The begin of the answer. */
  readonly response: string | null;
  readonly durationMs: number;
};
export type Poster = {
  post(url: string, headers: Record<string, string>, body: string, ms: number): Promise<Posted>;
  close(): Promise<void>;
};

/**
 * POSTs to addresses that merchants name, and to public ones only: what the name resolves to is
 * checked when the connection is made, so a name cannot change its meaning after a check. Redirects
 * are not followed, and of the answer two kilobytes are read.
 * @param allowsLoopback for a sandbox, whose merchants run on the same machine.
 */
export function createPoster(allowsLoopback: boolean): Poster {
  const lookup: LookupFunction = (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      const refused = addresses?.find(({ address }) => !isAllowed(address, allowsLoopback));
      if (error !== null) done(error, '', 0);
      else if (refused !== undefined) done(new RefusedAddress(), '', 0);
      else if (options.all === true) done(null, addresses);
      else done(null, addresses[0]?.address ?? '', addresses[0]?.family);
    });
  };
  const agent = new Agent({ connect: { lookup }, pipelining: 0 });
  return {
    async post(url, headers, body, ms) {
      const startedMs = performance.now();
      const end = (part: Omit<Posted, 'durationMs'>) => ({
        ...part,
        durationMs: Math.round(performance.now() - startedMs),
      });
      try {
        refusePort(new URL(url));
        refuseLiteral(new URL(url), allowsLoopback);
        const signal = AbortSignal.timeout(ms);
        // A connection for each: an idle one would keep the process from ending.
        const options = {
          method: 'POST',
          headers,
          body,
          dispatcher: agent,
          signal,
          reset: true,
        } as const;
        const answer = await request(url, options);
        const response = await readSome(answer.body);
        return end({ statusCode: answer.statusCode, error: null, response });
      } catch (error) {
        return end({ statusCode: null, error: describe(error), response: null });
      }
    },
    close: () => agent.destroy(),
  };
}

class RefusedAddress extends Error {
  constructor() {
    super('the address is not a public one');
  }
}

class RefusedPort extends Error {
  constructor() {
    super('the port is not 443, or 1024 and above');
  }
}

/** New endpoints are refused it by the API; those that were stored before are not asked there. */
function refusePort({ port }: URL): void {
  if (!isWebhookPort(port)) throw new RefusedPort();
}

/** Node resolves no literal address, so the lookup never sees one. */
function refuseLiteral({ hostname }: URL, allowsLoopback: boolean): void {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0 && !isAllowed(bare, allowsLoopback)) throw new RefusedAddress();
}

/** All of IPv6 that is given out so far; `::/96` and what was never given out lie beside it. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
/** Azure answers its machines there, at an address that looks like any other. */
const AZURE_WIRE_SERVER = '168.63.129.16';

/** Public unicast addresses; a mapped IPv4 address is judged as the one that it is. */
export function isAllowed(address: string, allowsLoopback: boolean): boolean {
  if (!ipaddr.isValid(address)) return false;
  const ip = ipaddr.process(address);
  const range = ip.range();
  if (range === 'loopback') return allowsLoopback;
  if (range !== 'unicast') return false;
  return ip instanceof ipaddr.IPv6 ? ip.match(GLOBAL_IPV6) : ip.toString() !== AZURE_WIRE_SERVER;
}

async function readSome(body: AsyncIterable<unknown> & { destroy(): unknown }): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    const buffer = Buffer.from(chunk instanceof Uint8Array ? chunk : String(chunk));
    chunks.push(buffer);
    bytes += buffer.length;
    if (bytes >= RESPONSE_BYTES_MAX) break;
  }
  body.destroy();
  const text = Buffer.concat(chunks).subarray(0, RESPONSE_BYTES_MAX).toString();
  return text.toWellFormed().replaceAll('\0', '');
}

/** Nothing of the address or of our own machine is told. */
function describe(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'unknown';
  if (error instanceof RefusedAddress || error instanceof RefusedPort) return error.message;
  if ('cause' in error && error.cause instanceof RefusedAddress) return error.cause.message;
  const name = 'name' in error ? String(error.name) : 'unknown';
  if (name === 'TimeoutError') return 'no answer in time';
  return 'code' in error && typeof error.code === 'string' ? error.code : name;
}
