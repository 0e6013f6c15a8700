import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

// 32 MB and about 80 ms each: OWASP's Password Storage Cheat Sheet names N=2^15 r=8 p=3.
const COST = 2 ** 15;
const BLOCK = 8;
const PARALLEL = 3;
const HASH_BYTES = 32;
const FORM = /^\$scrypt\$ln=(\d+),r=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/;

/** A password's hash with its salt and costs, in PHC's string format. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return format(salt, await derive(password, salt, { N: COST, r: BLOCK, p: PARALLEL }));
}

/**
 * True when the password is the one that was hashed.
 * @param stored null for an account that does not exist: the answer then takes as long.
 */
export async function isPassword(password: string, stored: string | null): Promise<boolean> {
  const [, ln, r, p, salt, hash] = FORM.exec(stored ?? NOBODY) ?? [];
  if (salt === undefined || hash === undefined) throw new Error('this is no password hash');
  const costs = { N: 2 ** Number(ln), r: Number(r), p: Number(p) };
  const found = await derive(password, Buffer.from(salt, 'base64'), costs);
  return timingSafeEqual(found, Buffer.from(hash, 'base64')) && stored !== null;
}

// Costs what any other does, and is nobody's: who has no account is refused whatever comes out.
const NOBODY = format(Buffer.alloc(16), Buffer.alloc(HASH_BYTES));

function format(salt: Buffer, hash: Buffer): string {
  const costs = `ln=${Math.log2(COST)},r=${BLOCK},p=${PARALLEL}`;
  return `$scrypt$${costs}$${bare(salt)}$${bare(hash)}`;
}

function bare(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}

function derive(password: string, salt: Buffer, costs: ScryptOptions): Promise<Buffer> {
  return inPasswordTurn(
    () =>
      new Promise((resolve, reject) => {
        const options = { ...costs, maxmem: 256 * 1024 * 1024 };
        scrypt(password.normalize('NFKC'), salt, HASH_BYTES, options, (error, hash) => {
          if (error === null) resolve(hash);
          else reject(error);
        });
      }),
  );
}

/** Of the four threads that Node has for a process: names are resolved and files read there. */
const AT_ONCE_MAX = 2;
/** They wait for a second or two. Whoever floods sign-ins makes no longer queue than this. */
export const PASSWORDS_WAITING_MAX = 16;

/** So many passwords are being checked that one more would wait for too long: ask again. */
export class PasswordsBusyError extends Error {
  constructor() {
    super('many passwords are being checked');
    this.name = 'PasswordsBusyError';
  }
}

let working = 0;
const waiting: (() => void)[] = [];

/** @throws PasswordsBusyError at once, where too many wait already. */
export async function inPasswordTurn<T>(work: () => Promise<T>): Promise<T> {
  if (working < AT_ONCE_MAX) working += 1;
  else if (waiting.length >= PASSWORDS_WAITING_MAX) throw new PasswordsBusyError();
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work();
  } finally {
    // Whoever is next takes the place over, so none gets in between.
    const next = waiting.shift();
    if (next === undefined) working -= 1;
    else next();
  }
}
