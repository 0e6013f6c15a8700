import { namesAnotherPhone } from '../../domain/payer-phone.ts';

const OURS = '+254700000101';

// biome-ignore format: table, one phone per line: as a provider tells it, whether it is another's
const PHONES = [
  ['254700000101', false],
  ['+254700000101', false],
  ['00254700000101', false],
  ['0700000101', false],
  ['700000101', false],
  ['0700 000 101', false],
  ['254700000102', true],
  ['254708374149', true],
  ['0700000102', true],
  ['254700******', false],
  ['254700***101', false],
  ['0700***101', false],
  ['2547XXXXX101', false],
  ['•••••101', false],
  ['254700***102', true],
  ['254708***101', true],
  ['0722 000***', true],
  ['254700*1*102', true],
  // Nothing that could be compared.
  ['************', false],
  ['', false],
  ['null', false],
  ['101', false],
  ['2f0c1e9d8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e2d1c0b9a8f7e6d5c4b3a2f1e', false],
] as const;

test.each(PHONES)('%j: another phone: %s', (told, isAnother) => {
  expect(namesAnotherPhone(told, OURS)).toBe(isAnother);
});
