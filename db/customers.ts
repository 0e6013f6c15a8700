import { z } from 'zod';
import type { Customer } from '../domain/provider.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';
import type { Vault } from './vault.ts';

/** A payer's personal data as it is stored: encrypted, hashed for look-up, masked for show. */
export type SealedCustomer = {
  readonly id: string | null;
  readonly phoneCipher: Buffer | null;
  readonly phoneHash: Buffer | null;
  readonly phoneMasked: string | null;
  readonly emailCipher: Buffer | null;
  readonly emailHash: Buffer | null;
  readonly emailMasked: string | null;
  readonly nameCipher: Buffer | null;
  readonly nameMasked: string | null;
};

/** Seals a payer for the row of one payment. The phone is in E.164. */
export function sealCustomer(
  vault: Vault,
  paymentId: string,
  customer: Customer & { readonly id: string | null },
): SealedCustomer {
  const { phone, email, name } = customer;
  const seal = (column: CustomerColumn, text: string | null) =>
    text === null ? null : vault.encrypt(placeOfCustomer(column, paymentId), text);
  return {
    id: customer.id,
    phoneCipher: seal('phone', phone),
    phoneHash: phone === null ? null : hashPhone(vault, phone),
    phoneMasked: phone === null ? null : maskPhone(phone),
    emailCipher: seal('email', email),
    emailHash: email === null ? null : hashEmail(vault, email),
    emailMasked: email === null ? null : maskEmail(email),
    nameCipher: seal('name', name),
    nameMasked: name === null ? null : maskName(name),
  };
}

/** The look-up hash of an E.164 phone. */
export function hashPhone(vault: Vault, phone: string): Buffer {
  return vault.hash('phone', phone);
}

/** The look-up hash of an e-mail address in any spelling of its letters. */
export function hashEmail(vault: Vault, email: string): Buffer {
  return vault.hash('email', email.toLowerCase());
}

/** Opens the payer of one payment, for the provider call only. */
export async function openCustomer(
  db: Connection,
  vault: Vault,
  paymentId: string,
): Promise<Customer> {
  const row = await db.one(sql.type(cipherRow)`
    SELECT phone_cipher, email_cipher, name_cipher FROM payments WHERE id = ${paymentId}`);
  const open = (column: CustomerColumn, cipher: Uint8Array | null) =>
    cipher === null ? null : vault.decrypt(placeOfCustomer(column, paymentId), cipher);
  return {
    phone: open('phone', row.phone_cipher),
    email: open('email', row.email_cipher),
    name: open('name', row.name_cipher),
  };
}

/**
 * The payer's phone in E.164, to compare a callback with. Null where there is none, or where it
 * cannot be opened: a callback must not be lost for that.
 */
export async function findPayerPhone(
  db: Connection,
  vault: Vault,
  workflowId: string,
): Promise<string | null> {
  const row = await db.maybeOne(sql.type(phoneRow)`
    SELECT id, phone_cipher FROM payments WHERE workflow_id = ${workflowId}`);
  if (row === null || row.phone_cipher === null) return null;
  try {
    return vault.decrypt(placeOfCustomer('phone', row.id), row.phone_cipher);
  } catch {
    return null;
  }
}

const cipher = z.instanceof(Uint8Array).nullable();
const cipherRow = z.object({ phone_cipher: cipher, email_cipher: cipher, name_cipher: cipher });

const phoneRow = z.object({ id: z.string(), phone_cipher: cipher });

type CustomerColumn = 'phone' | 'email' | 'name';

/** What a payer's data is bound to: the payment's row, and the column without `_cipher`. */
export function placeOfCustomer(column: CustomerColumn, paymentId: string): string {
  return `payments.${column}/${paymentId}`;
}

/** `+254712345678` → `+254•••••678`: country and the last digits, enough to recognise. */
function maskPhone(phone: string): string {
  return `${phone.slice(0, 4)}${'•'.repeat(Math.max(phone.length - 8, 4))}${phone.slice(-3)}`;
}

/** `asha@example.com` → `a•••@example.com`. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@');
  return `${email.slice(0, 1)}•••${email.slice(at)}`;
}

function maskName(name: string): string {
  return name
    .split(/\s+/)
    .map((part) => `${part.slice(0, 1)}•••`)
    .join(' ');
}
