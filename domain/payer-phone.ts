/** So many digits, from the end, tell one phone from another however its country is written. */
const TELLING_DIGITS = 9;
const WHOLE = /^\d{9,15}$/;
const MASKED = /^(\d*)[*•x#.][\d*•x#.]*?(\d*)$/i;

/**
 * Whether a provider names another phone than the payer's. Of a masked one only the digits at both
 * ends are seen; what is no phone at all, such as a digest of one, tells nothing.
 * @param ours in E.164.
 */
export function namesAnotherPhone(told: string, ours: string): boolean {
  const digits = ours.replace(/\D/g, '');
  const national = digits.slice(-TELLING_DIGITS);
  const written = told.replace(/[\s+()-]/g, '').replace(/^00/, '');
  if (WHOLE.test(written)) return written.slice(-TELLING_DIGITS) !== national;
  const [, head, tail] = MASKED.exec(written) ?? [];
  if (head === undefined || tail === undefined) return false;
  const isHead = [digits, `0${national}`, national].some((it) => it.startsWith(head));
  return !isHead || !digits.endsWith(tail);
}
