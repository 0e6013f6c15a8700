/** A row that is written about is gone: the database was put back to before it (ADR 0016). */
export class MissingRow extends Error {
  readonly of: 'payment' | 'refund';

  constructor(of: MissingRow['of'], id: string) {
    super(`the row of ${id} is gone`);
    this.of = of;
  }
}

/** The key of a row that was brought back without its merchant's, which a hash alone remembers. */
export function restoredKey(workflowId: string): string {
  return `restored/${workflowId}`;
}
