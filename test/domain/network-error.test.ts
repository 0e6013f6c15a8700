import { readSilence } from '../../client/answer.ts';
import { causeOf, readRetryAfter } from '../../domain/network-error.ts';

/** The merchants' client may not import `domain/`: its copy of the proof is held to the same. */
const errorWith = (fields: object, message = 'lost') => Object.assign(new Error(message), fields);
const wrapped = (cause: unknown) => new TypeError('fetch failed', { cause });
const each = (...syscalls: readonly string[]) =>
  Object.assign(new AggregateError(syscalls.map((syscall) => errorWith({ syscall }))), {
    code: 'ECONNREFUSED',
  });

// biome-ignore format: table, one error per line: as undici, fetch or the system says it
const CASES: readonly (readonly [what: string, error: unknown, code: string, isUnsent: boolean])[] = [
  ['a refused connection', errorWith({ code: 'ECONNREFUSED', syscall: 'connect' }), 'ECONNREFUSED', true],
  ['a name that is not known', errorWith({ code: 'ENOTFOUND', syscall: 'getaddrinfo' }), 'ENOTFOUND', true],
  ['all addresses of a host refused', each('connect', 'connect'), 'ECONNREFUSED', true],
  ['one address that was read from', each('connect', 'read'), 'ECONNREFUSED', false],
  ['no address at all', each(), 'ECONNREFUSED', false],
  ['a refusal that a standing line reports', errorWith({ code: 'ECONNREFUSED', syscall: 'read' }), 'ECONNREFUSED', false],
  ['a refusal by its code alone', errorWith({ code: 'ECONNREFUSED' }), 'ECONNREFUSED', false],
  ['a reset', errorWith({ code: 'ECONNRESET', syscall: 'read' }), 'ECONNRESET', false],
  ['a connection that took too long', errorWith({ code: 'UND_ERR_CONNECT_TIMEOUT' }), 'UND_ERR_CONNECT_TIMEOUT', true],
  ['headers that took too long', errorWith({ code: 'UND_ERR_HEADERS_TIMEOUT' }), 'UND_ERR_HEADERS_TIMEOUT', false],
  ['a socket that closed', errorWith({ code: 'UND_ERR_SOCKET' }), 'UND_ERR_SOCKET', false],
  ['a certificate that expired', errorWith({ code: 'CERT_HAS_EXPIRED' }), 'CERT_HAS_EXPIRED', true],
  ['one that is not good yet', errorWith({ code: 'CERT_NOT_YET_VALID' }), 'CERT_NOT_YET_VALID', true],
  ['one that signed itself', errorWith({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }), 'DEPTH_ZERO_SELF_SIGNED_CERT', true],
  ['one under an unknown root', errorWith({ code: 'SELF_SIGNED_CERT_IN_CHAIN' }), 'SELF_SIGNED_CERT_IN_CHAIN', true],
  ['one without its issuer', errorWith({ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' }), 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', true],
  ['one without its chain', errorWith({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', true],
  ['one of another host', errorWith({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' }), 'ERR_TLS_CERT_ALTNAME_INVALID', true],
  ['a fault of TLS while it stands', errorWith({ code: 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC' }), 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC', false],
];

describe.each(CASES)('%s', (_what, error, code, isUnsent) => {
  it(`leaves nothing sent: ${isUnsent}`, () => {
    expect(causeOf(error)).toEqual({ code, isUnsent });
    expect(causeOf(wrapped(error))).toEqual({ code, isUnsent });
  });

  it('tells merchants the same', () => {
    for (const thrown of [error, wrapped(error)]) {
      const told = readSilence(thrown, 1_000, false);
      expect([told.isSent, told.reason]).toEqual([!isUnsent, `no answer, ${code}`]);
    }
  });
});

it('is found in the detail of an error, as Stripe’s SDK keeps it, and below that', () => {
  const refused = errorWith({ code: 'ECONNREFUSED', syscall: 'connect' });
  const told = { code: 'ECONNREFUSED', isUnsent: true };
  expect(causeOf(errorWith({ code: undefined, detail: refused }))).toEqual(told);
  expect(causeOf(errorWith({ detail: wrapped(refused) }))).toEqual(told);
  expect(causeOf(errorWith({ detail: 'in words', cause: refused }))).toEqual(told);
});

it.each([undefined, null, 'lost', new Error('lost'), wrapped('lost'), wrapped(null)])(
  'is never proven by %p, which names no code',
  (error) => {
    expect(causeOf(error)).toEqual({ code: null, isUnsent: false });
    expect(readSilence(error, 1_000, false).isSent).toBe(true);
  },
);

const NOW_MS = Date.parse('2026-11-26T10:00:00Z');
// biome-ignore format: table, one header per line
it.each([
  ['7', 7_000],
  ['0', 0],
  ['1.5', 1_500],
  ['-3', 0],
  ['9999999', 300_000],
  ['Thu, 26 Nov 2026 10:00:09 GMT', 9_000],
  ['Thu, 26 Nov 2026 09:59:00 GMT', 0],
  ['Thu, 26 Nov 2026 11:00:00 GMT', 300_000],
  ['soon', null],
  ['', null],
  ['Infinity', null],
  [['7', '8'], null],
  [undefined, null],
])('the Retry-After %j is a pause of %j ms', (header, pauseMs) => {
  expect(readRetryAfter(header, NOW_MS)).toBe(pauseMs);
});
