import { constants, privateDecrypt } from 'node:crypto';
import type { Merchant } from './push-request.ts';
import { TEST_PRIVATE_KEY } from './test-key.ts';

/** The password within a SecurityCredential; null when it was sealed with another key. */
export function openPassword(sealed: string): string | null {
  try {
    const key = { key: TEST_PRIVATE_KEY, padding: constants.RSA_PKCS1_PADDING };
    return privateDecrypt(key, Buffer.from(sealed, 'base64')).toString();
  } catch {
    return null;
  }
}

/** Daraja takes a request of anybody, and tells in the result that the initiator is not the one. */
export function isInitiator(merchant: Merchant, name: string, password: string | null): boolean {
  return name === merchant.initiator_name && password === merchant.initiator_password;
}
