import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { requireRate } from '../middleware/rate-limit.ts';
import { declare, type Operation, type Reply } from '../operation.ts';
import { type Callback, type Channel, findChannel } from './channel.ts';
import { takeCallback } from './inbox.ts';
import { readToken, requireSignature } from './proof.ts';
import { readRawBody } from './raw-body.ts';
import { ExpiredToken } from './storing.ts';

const common = {
  method: 'post',
  tag: 'Provider callbacks',
  access: { kind: 'open' },
  answers: {
    200: {
      description: 'It is kept: what the provider wants to read',
      contentType: 'application/json',
      example: { ResultCode: 0, ResultDesc: 'Accepted' },
    },
  },
  problems: ['not_found', 'webhook_refused', 'body_too_large'],
} as const;

/**
 * Where providers call back. A provider may call only once, so whatever is genuine is answered 200
 * as soon as one of our stores holds it, however slow or broken the rest is.
 */
export const callbackOperations: readonly Operation[] = [
  declare({
    ...common,
    id: 'takeCallback',
    path: '/api/v1/webhooks/{channel}',
    summary: 'A provider’s callback, signed by the deployment’s own account',
    handle: (deps, call) => receive(deps, call),
  }),
  declare({
    ...common,
    id: 'takeProvenCallback',
    path: '/api/v1/webhooks/{channel}/{proof}',
    summary: 'A provider’s callback, proven by the token or the configuration in its address',
    handle: (deps, call) => receive(deps, call),
  }),
];

type Received = Pick<
  Parameters<Operation['run']>[1],
  'requestId' | 'headers' | 'raw' | 'remoteAddress'
> & { readonly param: (name: string) => string };

async function receive(deps: ApiDeps, call: Received): Promise<Reply> {
  const channel = findChannel(call.param('channel'));
  // Never the segment itself: it may be long, and it may be a token that was posted there.
  const name = channel?.webhook.channel ?? 'unknown';
  const log = deps.log.child({ request_id: call.requestId, channel: name });
  try {
    if (channel === null) throw new ApiError('not_found', 'no route has this path');
    const proofText = call.param('proof');
    const isSigned = channel.webhook.verify !== undefined;
    // A forged token is known before a byte of the body is read.
    const token = isSigned ? null : readToken(deps, channel, proofText);
    if (token !== null) await requireRate(deps, 'callback_token', proofText);
    const callback = await readCallback(call);
    const proof = token ?? (await requireSignature(deps, channel, proofText, callback));
    requireOrigin(deps, channel, call);
    if (proof.account !== null) await requireRate(deps, 'callback_account', proof.account);
    const taken = await takeCallback(deps, channel, proof, callback);
    log.info(taken, 'a callback was taken');
    deps.metrics.countCallback(name, taken.fate);
    return { status: 200, body: channel.webhook.acknowledgement };
  } catch (error) {
    const fate = fateOf(error);
    if (fate === 'foreign') {
      const about = { remote_address: call.remoteAddress };
      log.warn(about, 'a genuine callback came from an address that is not the provider’s');
    }
    // What finds nothing or comes too often has the line of its request, and no second one.
    const isTold = fate === 'refused' && error instanceof ApiError && error.code !== 'not_found';
    if (isTold) log.warn({ code: error.code }, 'a callback was refused');
    deps.metrics.countCallback(name, fate);
    throw error;
  }
}

/** What is genuine, and comes from an address that the provider does not call from. */
class ForeignAddress extends ApiError {
  constructor() {
    super('not_found', 'no route has this path');
  }
}

/** @throws ForeignAddress where the policies name the provider's addresses, and this is none. */
function requireOrigin({ policies }: ApiDeps, { provider }: Channel, call: Received): void {
  const networks = policies.api.callback_addresses[provider.name];
  if (networks === undefined || isWithin(call.remoteAddress ?? '', networks)) return;
  throw new ForeignAddress();
}

function fateOf(error: unknown): 'expired' | 'foreign' | 'limited' | 'refused' {
  if (error instanceof ExpiredToken) return 'expired';
  if (error instanceof ForeignAddress) return 'foreign';
  return error instanceof ApiError && error.code === 'rate_limited' ? 'limited' : 'refused';
}

/** Few headers are kept, and none that could hold a secret of ours. */
async function readCallback({ headers: given, raw, remoteAddress }: Received): Promise<Callback> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (
      typeof value === 'string' &&
      /^(content-type|[a-z0-9-]+-(signature|timestamp))$/.test(name)
    ) {
      headers[name] = value.slice(0, 1000);
    }
  }
  return { body: await readRawBody(raw), headers, remoteAddress };
}

type Family = 'ipv4' | 'ipv6';

function familyOf(address: string): Family | null {
  if (isIPv4(address)) return 'ipv4';
  return isIPv6(address) ? 'ipv6' : null;
}

/**
 * Whether an address, as `api/addresses.ts` spells it, is in one of the networks.
 * @param networks as the policies take them: `192.0.2.0/24`, `2001:db8::/32`, or one address.
 */
function isWithin(address: string, networks: readonly string[]): boolean {
  const family = familyOf(address);
  if (family === null) return false;
  const list = new BlockList();
  for (const network of networks) {
    const [place = '', bits = family === 'ipv4' ? '32' : '128'] = network.split('/');
    // Node takes IPv4 for a part of ::/0 as well.
    if (familyOf(place) === family) list.addSubnet(place, Number(bits), family);
  }
  return list.check(address, family);
}
